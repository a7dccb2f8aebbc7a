package validation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// mostCompared bounds how many users of other namespaces one name is compared with, letter by letter.
const mostCompared = 200_000

// members checks the new entries of a group's member list.
func (h *hinter) members(was, made *accessv1alpha1.AccessGroup) {
	before := make(map[accessv1alpha1.UserName]*accessv1alpha1.Member, len(was.Spec.Members))
	for i := range was.Spec.Members {
		before[was.Spec.Members[i].User] = &was.Spec.Members[i]
	}
	listed := make(map[string]accessv1alpha1.UserName, len(made.Spec.Members))
	for i := range made.Spec.Members {
		m := &made.Spec.Members[i]
		old, folded := before[m.User], strings.ToLower(string(m.User))
		other, again := listed[folded]
		if !again {
			listed[folded] = m.User
		}
		at := fmt.Sprintf("spec.members[%s]", m.User)
		switch {
		case again && (old == nil || before[other] == nil):
			h.say(HintUser, "spec.members", "%s and %s differ only in case, and are two users", other, m.User)
		case old == nil:
			h.alike(at, string(m.User))
		}
		if old == nil || !old.NotAfter.Equal(m.NotAfter) {
			h.ended(at, m.NotAfter, "the user is not a member by this entry")
		}
	}
}

// user checks the user of a UserAccess.
func (h *hinter) user(was, made *accessv1alpha1.UserAccess, created bool) {
	barred := barOf(made, h.now)
	if barred != "" && (created || barOf(was, h.now) == "") && h.barsNobody(made, barred) {
		return
	}
	if created {
		h.alike("spec.user", string(made.Spec.User))
	}
}

// barOf returns how the UserAccess bars its user at the instant, in words. It returns an empty string if it does
// not.
func barOf(ua *accessv1alpha1.UserAccess, now time.Time) string {
	switch {
	case ua.Spec.State == accessv1alpha1.UserStateSuspended:
		return "the suspension"
	case ua.Spec.NotAfter != nil && !ua.Spec.NotAfter.After(now):
		return "the end in spec.notAfter"
	default:
		return ""
	}
}

// barsNobody adds a hint if a suspension or an end has no effect. It reports whether it added one.
func (h *hinter) barsNobody(made *accessv1alpha1.UserAccess, barred string) bool {
	v, user := h.view, string(made.Spec.User)
	atSystem := made.Namespace == v.SystemNamespace()
	where := " in " + made.Namespace
	if atSystem {
		if v, where = h.elsewhere, ""; h.Partial || len(h.everyOrganization()) == 0 {
			return false
		}
	}
	if v.Index().HasAnythingToBar(made) {
		return false
	}
	without := fmt.Sprintf("nothing gives %s a membership or a role%s, so %s bars nobody", user, where, barred)
	hint := &Hint{Kind: HintBarsNobody, Field: "spec.user", Message: without}
	if near, by := h.nearestUser(user); near != "" {
		hint.Message = fmt.Sprintf("%s; did you mean %s, whom %s names%s?", without, near, by, inCase(near, user))
		if h.mayTell(hint, by); hint.Right != nil {
			hint.Otherwise = without
		}
	}
	h.add(hint)
	return true
}

func inCase(a, b string) string {
	if strings.EqualFold(a, b) {
		return " and who differs only in case"
	}
	return ""
}

// alike adds a hint if another user's name differs only in case. User names are case-sensitive, but easily
// confused.
func (h *hinter) alike(at, user string) {
	for _, in := range h.searched() {
		for _, other := range in.Alike(user) {
			by := h.others(in.NamingUser(other))
			if len(by) == 0 {
				continue
			}
			hint := &Hint{
				Kind: HintUser, Field: at,
				Message: fmt.Sprintf("%s differs only in case from %s, whom %s names, and is another user", user, other, by[0]),
			}
			h.mayTell(hint, by[0])
			h.add(hint)
			return
		}
	}
}

// nearestUser returns the user whose name is most similar to the given one, and an object that names that user. It
// searches the namespace of the object first, then the others.
func (h *hinter) nearestUser(user string) (string, roster.Object) {
	q := newQuery(user)
	nearest, by, least, left := "", roster.Object{}, q.bound+1, mostCompared
	for i, in := range h.searched() {
		users := slices.Sorted(in.KnownUsers())
		if left -= len(users); left < 0 && i > 0 {
			break
		}
		for _, other := range users {
			d := q.distance(other)
			if d >= least || other == user {
				continue
			}
			if named := h.others(in.NamingUser(other)); len(named) > 0 {
				nearest, by, least = other, named[0], d
			}
		}
		if least == 0 || (i == 0 && nearest != "") {
			break
		}
	}
	return nearest, by
}

// searched lists the namespaces to search for users: that of the object, the system namespace, then the others. Some
// may be nil.
func (h *hinter) searched() []*roster.Namespace {
	if h.search != nil {
		return h.search
	}
	own, system := h.self.Namespace, h.view.SystemNamespace()
	for _, name := range slices.Compact([]string{own, system}) {
		h.search = append(h.search, h.view.Index().Namespace(name))
	}
	for name, n := range h.elsewhere.Index().Namespaces() {
		if name != own && name != system {
			h.search = append(h.search, n)
		}
	}
	return h.search
}
