package resolve

// Change says how an access differs from the one before.
type Change string

// The changes of an access, the first that holds: no role before, or none after; a higher or a lower role; the same role
// with other rows, or for another time. Reasons and sources are none.
const (
	ChangeNone    Change = ""
	ChangeGained  Change = "Gained"
	ChangeLost    Change = "Lost"
	ChangeRaised  Change = "Raised"
	ChangeLowered Change = "Lowered"
	ChangeRows    Change = "Rows"
	ChangeEnd     Change = "End"
)

// Changes lists all but ChangeNone.
func Changes() []Change {
	return []Change{ChangeGained, ChangeLost, ChangeRaised, ChangeLowered, ChangeRows, ChangeEnd}
}

// ChangeTo says how the access differs after. Roles are compared by their place on the ladder.
func (a *Access) ChangeTo(after *Access) Change {
	if change := a.roleTo(&after.Outcome); change != ChangeNone || !after.GivesAccess() {
		return change
	}
	if !sameFilters(a.Filters, after.Filters) {
		return ChangeRows
	}
	return a.endTo(&after.Outcome)
}

// ChangeTo says how the role differs after.
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

// Nothing is the decision for a user for whom there is nothing to decide: no role anywhere. It must not be changed.
func Nothing() *Decision { return &undecided }

var undecided = func() Decision {
	no := Outcome{Role: NoAccess, Rule: RuleNoGrant, rung: noAccess}
	return Decision{OrganizationRole: no, Default: Access{Outcome: no}}
}()
