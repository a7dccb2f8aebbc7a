package mailtext

// View is what templates are executed on: words, nothing that could be called.
type View struct {
	Reason       string
	Organization string
	User         string
	// Name is what to call the user: the display name, or the user.
	Name string
	// Changed, Ending and Standing are what changed, what is about to end, and, where somebody asked, what there is.
	Changed, Ending, Standing []Line
	// Messages are those of the groups, Groups what the groups are called.
	Messages, Groups []string
	// Digest counts users, on a digest; all zero otherwise.
	Digest Counts
	At     string
}

// Line is one role of a view.
type Line struct {
	// Kind is one of the ChangeKind values.
	Kind string
	// Where is what the role holds in: the name of an application, or words for more.
	Where string
	// Before and After are names of roles; After is empty for what is about to end.
	Before, After string
	// Until is when the role ends, in words; empty: it does not.
	Until string
	// By is what gives the role, or gave it; empty: not known.
	By string
	// Text is a sentence that says all of it but Where.
	Text string
}

// Counts says how many users a mass change regards, and how: a user may be in several of the counts.
type Counts struct {
	Users   int `json:"users"`
	Granted int `json:"granted,omitempty"`
	Changed int `json:"changed,omitempty"`
	Revoked int `json:"revoked,omitempty"`
}
