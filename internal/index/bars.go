package index

import "github.com/usher-dev/usher/internal/resolve"

// AppendBars appends one bar for each declared UserAccess of the user.
func (n *Namespace) AppendBars(bars []resolve.Bar, user string) []resolve.Bar {
	a := n.accounts.Get(user)
	if a == nil {
		return bars
	}
	for _, ua := range a.Declared {
		bars = append(bars, resolve.Bar{
			Source:    Object{KindUserAccess, n.name, ua.Name}.String(),
			AtSystem:  n.atSystem,
			Suspended: ua.Spec.State == "Suspended",
			Window:    window(ua.Spec.NotBefore, ua.Spec.NotAfter),
		})
	}
	return bars
}
