package controller

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// comparison compares published documents with the decisions.
type comparison struct {
	view   *roster.View
	at     Output
	wanted bool // if false, the document should give nothing
	now    time.Time

	more        map[string]struct{} // the users whose documents give more than they should
	restricting map[roster.Object]struct{}
	found       bool
}

// offer is what a document or a decision gives one user in one place.
type offer struct {
	rung        int // of the role on the current ladder; 0 is the highest
	permissions []string
	filters     []string // canonical JSON; a row is visible only if every filter lets it pass
	notAfter    time.Time
}

// Rungs of roles that are not on the ladder.
const (
	rungNone    = math.MaxInt // no access
	rungUnknown = -1          // above all others, because it is not known what the role gives
)

// exceeds reports whether the offer gives more than limit does, at the instant now or later. In doubt it returns true.
func (o *offer) exceeds(limit *offer, now time.Time) bool {
	if o.rung == rungNone || (!o.notAfter.IsZero() && !now.Before(o.notAfter)) {
		return false
	}
	lasts := !limit.notAfter.IsZero() && (o.notAfter.IsZero() || o.notAfter.After(limit.notAfter))
	return o.rung < limit.rung || lasts || !covers(limit.permissions, o.permissions) || !covers(o.filters, limit.filters)
}

// covers reports whether all contains every element of few.
func covers(all, few []string) bool {
	return !slices.ContainsFunc(few, func(one string) bool { return !slices.Contains(all, one) })
}

// givesMore reports whether the ConfigMap gives any user more than the decisions do, and records these users. A
// document that cannot be read counts as giving more.
func (c *comparison) givesMore(cm *corev1.ConfigMap) bool {
	key := document.AccessKey
	if c.at.Kind == OrganizationsDocument {
		key = document.OrganizationsKey
	}
	text, has := cm.Data[key]
	if !has {
		return false
	}
	documents, err := document.Parse([]byte(text))
	if err != nil {
		return true
	}
	c.found = false
	for i := range documents.Applications {
		c.application(&documents.Applications[i])
	}
	for i := range documents.Users {
		c.user(&documents.Users[i])
	}
	for i := range documents.Organizations {
		c.organizations(&documents.Organizations[i])
	}
	return c.found
}

// compare records the user if the published offer exceeds the decided one. outcome names the source of a restriction.
func (c *comparison) compare(user string, published, decided *offer, outcome *resolve.Outcome) {
	if !published.exceeds(decided, c.now) {
		return
	}
	c.found = true
	c.more[user] = struct{}{}
	if object, known := roster.ParseObject(outcome.Source); known && restricts(outcome) {
		c.restricting[object] = struct{}{}
	}
}

// restricts reports whether the source of the outcome keeps the user from having more, as far as the rule shows.
func restricts(outcome *resolve.Outcome) bool {
	switch outcome.Rule {
	case resolve.RuleSuspended, resolve.RuleExpired, resolve.RuleNotYetValid, resolve.RuleExclusiveAccess, resolve.RuleSystemBlock,
		resolve.RuleSystemCap, resolve.RuleSpecificApplication, resolve.RuleMostRestrictive:
		return true
	default:
		return !outcome.GivesAccess()
	}
}

func (c *comparison) application(d *document.Application) {
	permissions := make(map[string][]string, len(d.Roles))
	for _, role := range d.Roles {
		permissions[role.Name] = role.Permissions
	}
	organization := c.organization(d.Organization)
	for user, u := range d.Users {
		access := c.decision(d.Organization, user).Application(d.Application)
		published := offer{applicationRung(organization, u.Role), permissions[u.Role], texts(d.FiltersOf(user)), u.NotAfter}
		c.compare(user, &published, decidedAccess(organization, access), &access.Outcome)
	}
}

func (c *comparison) user(d *document.User) {
	organization := c.organization(d.Organization)
	decision := c.decision(d.Organization, d.User)
	c.compare(d.User, &offer{rung: organizationRung(organization, d.OrganizationRole), notAfter: d.NotAfter},
		&offer{rung: organizationRung(organization, decision.OrganizationRole.Role), notAfter: decision.OrganizationRole.NotAfter},
		&decision.OrganizationRole)
	other := offer{rung: applicationRung(organization, d.DefaultRole), filters: texts(d.FiltersOf("")), notAfter: d.NotAfter}
	c.compare(d.User, &other, decidedAccess(organization, &decision.Default), &decision.Default.Outcome)
	for name, u := range d.Applications {
		access := decision.Application(name)
		published := offer{applicationRung(organization, u.Role), u.Permissions, texts(d.FiltersOf(name)), u.NotAfter}
		c.compare(d.User, &published, decidedAccess(organization, access), &access.Outcome)
	}
	for _, a := range decision.Applications {
		if _, has := d.Applications[a.Application]; !has {
			c.compare(d.User, &other, decidedAccess(organization, &a.Access), &a.Outcome)
		}
	}
}

func (c *comparison) organizations(d *document.Organizations) {
	decided := map[string]roster.Entry{}
	if c.wanted {
		for _, entry := range c.view.Entries(d.User) {
			decided[entry.Organization] = entry
		}
	}
	for _, o := range d.Organizations {
		organization := c.organization(o.Name)
		// The lowest rung represents access to the organization without a role in it.
		entered := func(role string) int { return min(organizationRung(organization, role), rungNone-1) }
		limit := offer{rung: rungNone}
		if entry, enters := decided[o.Name]; enters {
			limit = offer{rung: entered(entry.OrganizationRole), notAfter: entry.NotAfter}
		}
		published := offer{rung: entered(o.OrganizationRole), notAfter: o.NotAfter}
		c.compare(d.User, &published, &limit, &resolve.Outcome{})
	}
}

func (c *comparison) organization(name string) *resolve.Organization {
	return c.view.Organization(name)
}

// decision returns the decision for the user. It returns the decision without access if there is none or if the
// document should not exist.
func (c *comparison) decision(organization, user string) *resolve.Decision {
	if !c.wanted {
		return resolve.Nothing()
	}
	return given(c.view.Decision(organization, user))
}

func decidedAccess(o *resolve.Organization, access *resolve.Access) *offer {
	decided := &offer{rung: applicationRung(o, access.Role), notAfter: access.NotAfter}
	if o != nil && access.GivesAccess() {
		decided.permissions = o.Permissions(access.Role)
	}
	for i := range access.Filters {
		decided.filters = append(decided.filters, access.Filters[i].JSON())
	}
	return decided
}

// applicationRung returns the index of the role on the application ladder of the organization. o is nil if the
// namespace is not an organization.
func applicationRung(o *resolve.Organization, role string) int {
	if role == resolve.NoAccess {
		return rungNone
	}
	if o == nil {
		return rungUnknown
	}
	return slices.IndexFunc(o.Rules().ApplicationRoles, func(r resolve.ApplicationRole) bool { return r.Name == role })
}

// organizationRung returns the index of the role on the organization ladder, like [applicationRung].
func organizationRung(o *resolve.Organization, role string) int {
	if role == resolve.NoAccess {
		return rungNone
	}
	if o == nil {
		return rungUnknown
	}
	return slices.IndexFunc(o.Rules().OrganizationRoles, func(r resolve.OrganizationRole) bool { return r.Name == role })
}

// texts returns the canonical JSON of the filters.
func texts(filters []document.Filter) []string {
	encoded := make([]string, len(filters))
	for i := range filters {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(filters[i]); err == nil { // a filter consists of strings and always encodes
			encoded[i] = strings.TrimSuffix(text.String(), "\n")
		}
	}
	return encoded
}
