package validation

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

const (
	// fewestForShards is the number of users from which on a document may need more than one ConfigMap.
	fewestForShards = 128
	// mostForShards bounds how many entries are examined for one request to find out how many ConfigMaps the
	// documents need. There is no warning about the others. The status reports them when the document is published.
	mostForShards = 1_000_000
)

// ConfigMapsFunc returns the names of the ConfigMaps that the document of the application needs with the
// decisions, which are those of every user of the organization. If it needs more ConfigMaps, the first names stay
// the same.
type ConfigMapsFunc func(
	o *resolve.Organization, application *accessv1alpha1.ApplicationAccess,
	decisions func(yield func(user string, d *resolve.Decision)),
) []string

// warnOfConfigMaps names the additional ConfigMaps that workloads must mount, if the change makes the document of
// an application need more of them.
func (j *judge) warnOfConfigMaps(trial *preview.Preview) {
	if j.ConfigMaps == nil {
		return
	}
	left := mostForShards
	for _, organization := range sortedKeys(trial.Organizations) {
		o := trial.Organizations[organization]
		if o.Before == nil || o.After == nil {
			continue
		}
		users := documentUsers{touched: touchedIn(trial, organization)}
		for _, application := range j.documentsOf(organization) {
			if application.is == application.was && !users.lengthens(application.is.Name) {
				continue
			}
			if users.after == nil {
				j.decide(&users, organization)
			}
			if left -= len(users.after); left < 0 || len(users.after) < fewestForShards {
				break
			}
			j.warnOfConfigMapsOf(&application, o, &users)
		}
	}
}

// publishedApplication is an ApplicationAccess before and after the change. Before is nil if the request creates
// it.
type publishedApplication struct {
	was, is *accessv1alpha1.ApplicationAccess
}

// documentsOf returns the ApplicationAccess objects of the organization that publish a document after the change.
func (j *judge) documentsOf(organization string) []publishedApplication {
	var all []publishedApplication
	made, _ := j.request.New.(*accessv1alpha1.ApplicationAccess)
	objects := j.view.Index().Namespace(organization)
	for name := range objects.Applications() {
		each := objects.Application(name)
		switch {
		case each.DeletionTimestamp != nil:
		case made != nil && made.Namespace == organization && made.Name == name:
			all = append(all, publishedApplication{each, made})
		default:
			all = append(all, publishedApplication{each, each})
		}
	}
	if made != nil && j.changed.created && made.Namespace == organization {
		all = append(all, publishedApplication{nil, made})
	}
	return all
}

// documentUsers has the decisions for all users of an organization before and after the change, and the users whom
// the change affects.
type documentUsers struct {
	before, after map[string]*resolve.Decision
	touched       []*preview.Affected
}

func touchedIn(trial *preview.Preview, organization string) []*preview.Affected {
	var touched []*preview.Affected
	for i := range trial.Users {
		if u := &trial.Users[i]; u.Namespace == organization && u.User != "" {
			touched = append(touched, u)
		}
	}
	return touched
}

// decide fills in the decisions of all users.
func (j *judge) decide(u *documentUsers, organization string) {
	u.before, u.after = map[string]*resolve.Decision{}, map[string]*resolve.Decision{}
	for user, d := range j.view.Decisions(organization) {
		u.before[user], u.after[user] = d, d
	}
	for _, tried := range u.touched {
		if delete(u.after, tried.User); tried.After.Decision != nil {
			u.after[tried.User] = tried.After.Decision
		}
	}
}

// lengthens reports whether the change adds or changes an entry in the document of the application.
func (u *documentUsers) lengthens(application string) bool {
	for _, tried := range u.touched {
		is := tried.After.Decision
		if is == nil || !is.Application(application).GivesAccess() {
			continue
		}
		if was := tried.Before.Decision; was == nil || !was.Application(application).Equal(is.Application(application)) {
			return true
		}
	}
	return false
}

func (j *judge) warnOfConfigMapsOf(application *publishedApplication, o *preview.Organization, users *documentUsers) {
	there := 1 // every workload mounts the first one
	if application.was != nil {
		there = len(j.ConfigMaps(o.Before, application.was, eachOf(users.before)))
	}
	is := application.is
	names := j.ConfigMaps(o.After, is, eachOf(users.after))
	if len(names) <= there {
		return
	}
	more := names[there:]
	j.warning("the document of application %s in %s would take %d ConfigMaps, %d more than now: workloads that do not mount "+
		"them do not see the users in them. Mount %s", is.Name, is.Namespace, len(names), len(more),
		shortList(more))
}

func eachOf(decisions map[string]*resolve.Decision) func(yield func(user string, d *resolve.Decision)) {
	return func(yield func(user string, d *resolve.Decision)) {
		for user, d := range decisions {
			yield(user, d)
		}
	}
}
