package mailtext

// View has the words that a template may use. It has no methods that a template could call.
type View struct {
	Reason       string
	Organization string
	User         string
	// Name is the display name of the user, or the user.
	Name string
	// Changed, Ending and Standing are changed roles, roles that are about to end, and the present roles if somebody asked.
	Changed, Ending, Standing []Line
	// Messages are the messages, and Groups the display names of the groups.
	Messages, Groups []string
	// Reviews are the groups that must be reviewed, with the name of the group in Where, the due instant in Until, and the
	// state of the review in Kind. MoreReviews is the number of further groups.
	Reviews     []Line
	MoreReviews int
	// Digest has the counts of a digest; otherwise they are zero.
	Digest Counts
	At     string
}

// MostReviews is the maximum number of reviews in a view.
const MostReviews = 100

// Line is one role or one review in a view.
type Line struct {
	// Kind is the kind of the change, such as Granted.
	Kind string
	// Where says where the role holds: the name of an application, or words for more than one.
	Where string
	// Before and After are names of roles. After is empty if the role is about to end.
	Before, After string
	// Until is the end of the role, in words; empty: it has none.
	Until string
	// By names the object that grants or granted the role; empty: not known.
	By string
	// Text is a sentence with everything except Where.
	Text string
}

// Counts are the numbers of users with changes in a mass change. A user may be in several of them.
type Counts struct {
	Users   int `json:"users"`
	Granted int `json:"granted,omitempty"`
	Changed int `json:"changed,omitempty"`
	Revoked int `json:"revoked,omitempty"`
}
