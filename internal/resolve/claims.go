package resolve

// Claims is a user with what the objects declare for the user, whether it counts or not.
type Claims struct {
	User
	// Hidden are the sources that the user has only by UserAccess objects that do not count, because another one of the
	// user in the same namespace does.
	Hidden []Holding
	// Preceding are the UserAccess objects that keep such sources from counting.
	Preceding []Precedence
	// Ended are, before a change, the groups to which a path of the user ends by it, at the instants of that path. Other paths
	// may remain.
	Ended []Holding
}

// Precedence is a UserAccess that counts before another one of its user. BeingDeleted is set where it counts only before
// others that are being deleted.
type Precedence struct {
	Source       string
	BeingDeleted bool
}
