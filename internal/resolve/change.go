package resolve

// Change is the kind of difference between an access and the one before.
type Change string

// The changes of an access. The first one that holds is reported: no role before, or none after; a higher or a
// lower role; the same role with other rows, or for another time. A different reason or source is not a change.
const (
	ChangeNone    Change = ""
	ChangeGained  Change = "Gained"
	ChangeLost    Change = "Lost"
	ChangeRaised  Change = "Raised"
	ChangeLowered Change = "Lowered"
	ChangeRows    Change = "Rows"
	ChangeEnd     Change = "End"
)

// Changes returns all changes except ChangeNone.
func Changes() []Change {
	return []Change{ChangeGained, ChangeLost, ChangeRaised, ChangeLowered, ChangeRows, ChangeEnd}
}

// ChangeTo returns the change from this access to the access after. It compares roles by their place on the
// ladder.
func (a *Access) ChangeTo(after *Access) Change {
	if change := a.roleTo(&after.Outcome); change != ChangeNone || !after.GivesAccess() {
		return change
	}
	if !sameFilters(a.Filters, after.Filters) {
		return ChangeRows
	}
	return a.endTo(&after.Outcome)
}

// ChangeTo returns the change from this role to the role after.
func (o *Outcome) ChangeTo(after *Outcome) Change {
	if change := o.roleTo(after); change != ChangeNone || !after.GivesAccess() {
		return change
	}
	return o.endTo(after)
}

func (o *Outcome) roleTo(after *Outcome) Change {
	switch {
	case o.rung == after.rung:
		return ChangeNone
	case !o.GivesAccess():
		return ChangeGained
	case !after.GivesAccess():
		return ChangeLost
	case after.Above(o):
		return ChangeRaised
	default:
		return ChangeLowered
	}
}

func (o *Outcome) endTo(after *Outcome) Change {
	if o.NotAfter.Equal(after.NotAfter) {
		return ChangeNone
	}
	return ChangeEnd
}

// Nothing returns the decision that applies to a user without any decision: no role anywhere. It must not be changed.
func Nothing() *Decision { return &undecided }

var undecided = func() Decision {
	no := Outcome{Role: NoAccess, Rule: RuleNoGrant, rung: noAccess}
	return Decision{OrganizationRole: no, Default: Access{Outcome: no}}
}()
