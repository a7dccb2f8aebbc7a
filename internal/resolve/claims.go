package resolve

// Claims is a user with everything that the objects declare for the user, whether it counts or not.
type Claims struct {
	User
	// Hidden are the sources that the user holds only through UserAccess objects that do not count, because another
	// UserAccess of the user in the same namespace takes precedence.
	Hidden []Holding
	// Preceding are the UserAccess objects that take precedence over others and so hide these sources.
	Preceding []Precedence
	// Ended is set in the claims before a change. It has the groups to which the change ends a membership path of the
	// user, with the windows of that path. Other paths may remain.
	Ended []Holding
}

// Precedence is a UserAccess that takes precedence over another UserAccess of its user. BeingDeleted is set if it
// takes precedence only over objects that are being deleted.
type Precedence struct {
	Source       string
	BeingDeleted bool
}
