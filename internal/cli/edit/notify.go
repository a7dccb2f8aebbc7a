package edit

import (
	"errors"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
)

// Notice is an object that can request notices about the access of users, with the users who would be notified. There
// are none without channels.
type Notice struct {
	Object   client.Object
	Users    []string
	Channels []string
}

// NoticesOfGroups returns a notice for each group, to its active members.
func NoticesOfGroups(w *source.World, groups []*objects.Object) []Notice {
	var all []Notice
	for _, o := range groups {
		g := o.Object.(*accessv1alpha1.AccessGroup)
		n := Notice{Object: g, Channels: channelNames(g)}
		if len(n.Channels) > 0 {
			n.Users = w.ActiveMembers(roster.ObjectOf(g))
		}
		all = append(all, n)
	}
	return all
}

// NoticesOfUsers returns a notice for each UserAccess of the users, declared or materialized.
func NoticesOfUsers(w *source.World, users []string) ([]Notice, error) {
	users, err := CheckUsers(users)
	if err != nil {
		return nil, err
	}
	var all []Notice
	var failures []error
	for _, user := range users {
		found := false
		for i := range w.Set.Objects {
			ua, is := w.Set.Objects[i].Object.(*accessv1alpha1.UserAccess)
			if !is || string(ua.Spec.User) != user || (w.Namespace != "" && ua.Namespace != w.Namespace) {
				continue
			}
			found = true
			n := Notice{Object: ua}
			for _, g := range w.Member(ua.Namespace, user).Groups {
				n.Channels = append(n.Channels, channelNames(g)...)
			}
			slices.Sort(n.Channels)
			if n.Channels = slices.Compact(n.Channels); len(n.Channels) > 0 {
				n.Users = []string{user}
			}
			all = append(all, n)
		}
		if !found {
			failures = append(failures, query.UnknownUser(w, user, w.Asked()))
		}
	}
	return all, errors.Join(failures...)
}

func channelNames(g *accessv1alpha1.AccessGroup) []string {
	var names []string
	for _, name := range g.Spec.Notification.Channels {
		names = append(names, string(name))
	}
	return names
}
