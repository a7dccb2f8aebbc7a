package crd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	groupTooLarge = "spec: the group is too large for one object: move members into other groups and name these in " +
		"memberGroups, or move entries into other groups"
	userTooLarge = "spec: the object is too large: give what the user shares with others through groups"
)

// identity returns the n-th user with that many bytes.
func identity(n, size int) accessv1alpha1.UserName {
	suffix := fmt.Sprintf("-%05d@acme.example", n)
	return accessv1alpha1.UserName(strings.Repeat("u", size-len(suffix)) + suffix)
}

// longest returns the n-th name with that many characters.
func longest(n, size int) string {
	suffix := fmt.Sprintf("-%05d", n)
	return strings.Repeat("x", size-len(suffix)) + suffix
}

func instant(year int) *metav1.Time {
	return &metav1.Time{Time: time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)}
}

func many[T any](count int, item func(n int) T) []T {
	items := make([]T, 0, count)
	for n := range count {
		items = append(items, item(n))
	}
	return items
}

func members(count, size int) []accessv1alpha1.Member {
	return many(count, func(n int) accessv1alpha1.Member {
		return accessv1alpha1.Member{User: identity(n, size), NotBefore: instant(2026), NotAfter: instant(2027)}
	})
}

func applicationGrants(count int) []accessv1alpha1.ApplicationGrant {
	return many(count, func(n int) accessv1alpha1.ApplicationGrant {
		return accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(longest(n, 63)), Role: accessv1alpha1.RoleName(longest(n, 63)),
			NotBefore: instant(2026), NotAfter: instant(2027),
		}
	})
}

func systemGrants(organizations, applications int) []accessv1alpha1.SystemGrant {
	return many(organizations, func(n int) accessv1alpha1.SystemGrant {
		return accessv1alpha1.SystemGrant{
			Organization:      accessv1alpha1.OrganizationSelector(longest(n, 63)),
			Role:              accessv1alpha1.RoleName(longest(n, 63)),
			OrganizationRole:  accessv1alpha1.RoleName(longest(n, 63)),
			ApplicationAccess: applicationGrants(applications),
		}
	})
}

func dataPermissions(applications, alternatives, requirements, values int) []accessv1alpha1.DataPermission {
	return many(applications, func(n int) accessv1alpha1.DataPermission {
		return accessv1alpha1.DataPermission{
			Application: accessv1alpha1.ApplicationSelector(longest(n, 63)),
			AnyOf: many(alternatives, func(int) accessv1alpha1.RowAlternative {
				return accessv1alpha1.RowAlternative{AllOf: many(requirements, func(int) accessv1alpha1.RowRequirement {
					return accessv1alpha1.RowRequirement{
						Attribute: accessv1alpha1.AttributeName(strings.Repeat("a", 63)),
						Operator:  accessv1alpha1.DataOperatorNotIn,
						Values: many(values, func(int) accessv1alpha1.AttributeValue {
							return accessv1alpha1.AttributeValue(strings.Repeat("ä", 128))
						}),
					}
				})}
			}),
		}
	})
}

// labelSelector returns a selector with so many terms. Keys that are longer than a name may be are invalid for their length alone.
func labelSelector(labels, expressions, values, key, value int) accessv1alpha1.LabelSelector {
	var s accessv1alpha1.LabelSelector
	for n := range labels {
		if s.MatchLabels == nil {
			s.MatchLabels = map[string]accessv1alpha1.LabelValue{}
		}
		s.MatchLabels[longest(n, key)] = accessv1alpha1.LabelValue(longest(n, value))
	}
	for range expressions {
		s.MatchExpressions = append(s.MatchExpressions, accessv1alpha1.LabelSelectorRequirement{
			Key: accessv1alpha1.LabelKey(longest(0, key)), Operator: metav1.LabelSelectorOpIn,
			Values: many(values, func(n int) accessv1alpha1.LabelValue { return accessv1alpha1.LabelValue(longest(n, value)) }),
		})
	}
	return s
}

// largestSelector returns a selector with as many terms as it may have, each as long as it may be.
func largestSelector() accessv1alpha1.LabelSelector {
	s := labelSelector(10, 10, 20, 63, 63)
	long := strings.Repeat(strings.Repeat("x", 63)+".", 3) + strings.Repeat("x", 61) + "/"
	labels := s.MatchLabels
	s.MatchLabels = map[string]accessv1alpha1.LabelValue{}
	for key, value := range labels {
		s.MatchLabels[long+key] = value
	}
	for i := range s.MatchExpressions {
		s.MatchExpressions[i].Key = accessv1alpha1.LabelKey(long) + s.MatchExpressions[i].Key
	}
	return s
}

func applicationSelectors(count int) []accessv1alpha1.ApplicationSelectorGrant {
	return many(count, func(n int) accessv1alpha1.ApplicationSelectorGrant {
		return accessv1alpha1.ApplicationSelectorGrant{
			Selector: largestSelector(), Role: accessv1alpha1.RoleName(longest(n, 63)),
			NotBefore: instant(2026), NotAfter: instant(2027),
		}
	})
}

func systemSelectors(organizations, applications, selectors int) []accessv1alpha1.SystemSelectorGrant {
	return many(organizations, func(n int) accessv1alpha1.SystemSelectorGrant {
		return accessv1alpha1.SystemSelectorGrant{
			Selector: largestSelector(), Role: accessv1alpha1.RoleName(longest(n, 63)),
			OrganizationRole:  accessv1alpha1.RoleName(longest(n, 63)),
			ApplicationAccess: applicationGrants(applications), ApplicationSelectors: applicationSelectors(selectors),
		}
	})
}

func attributes(count, values int, character string) []accessv1alpha1.UserAttribute {
	return many(count, func(n int) accessv1alpha1.UserAttribute {
		return accessv1alpha1.UserAttribute{
			Name: accessv1alpha1.AttributeName(strings.ReplaceAll(longest(n, 63), "-", "_")),
			Values: many(values, func(n int) accessv1alpha1.AttributeValue {
				return accessv1alpha1.AttributeValue(strings.Repeat(character, 122) + longest(n, 6))
			}),
		}
	})
}

func groupNames(count int) []accessv1alpha1.GroupName {
	return many(count, func(n int) accessv1alpha1.GroupName { return accessv1alpha1.GroupName(longest(n, 253)) })
}

func largestPolicy() accessv1alpha1.AccessPolicySpec {
	role := func(n int) accessv1alpha1.RoleName { return accessv1alpha1.RoleName(longest(n, 63)) }
	return accessv1alpha1.AccessPolicySpec{
		ApplicationRoles: many(20, func(n int) accessv1alpha1.ApplicationRole {
			return accessv1alpha1.ApplicationRole{Name: role(n), Permissions: many(200, func(p int) accessv1alpha1.Permission {
				return accessv1alpha1.Permission(longest(p, 128))
			})}
		}),
		OrganizationRoles: many(20, func(n int) accessv1alpha1.OrganizationRole {
			return accessv1alpha1.OrganizationRole{Name: role(n), ApplicationRole: role(n)}
		}),
		SystemRoles: many(20, func(n int) accessv1alpha1.SystemRole {
			return accessv1alpha1.SystemRole{Name: role(n), OrganizationRole: role(n), ApplicationRole: role(n)}
		}),
		ExclusiveAccess: many(20, func(n int) accessv1alpha1.ExclusiveAccess {
			return accessv1alpha1.ExclusiveAccess{
				Name: longest(n, 63), MinimumRole: role(n),
				Applications: many(20, func(a int) accessv1alpha1.ApplicationName {
					return accessv1alpha1.ApplicationName(longest(a, 63))
				}),
			}
		}),
		NotificationChannels: many(20, func(n int) accessv1alpha1.NotificationChannel {
			channel := accessv1alpha1.NotificationChannel{
				Name: accessv1alpha1.ChannelName(longest(n, 63)), Type: accessv1alpha1.ChannelTypeWebhook,
				Webhook:   accessv1alpha1.WebhookChannel{URL: "https://a.example/" + strings.Repeat("&", 2030)},
				SecretRef: accessv1alpha1.SecretReference{Name: longest(n, 253)},
			}
			if n < 4 { // the limit for all templates together
				channel.Type, channel.Webhook = accessv1alpha1.ChannelTypeSMTP, accessv1alpha1.WebhookChannel{}
				channel.SMTP = accessv1alpha1.SMTPChannel{
					Server: "a.example:25", Sender: "a@a.example", Template: accessv1alpha1.MailTemplate{HTML: strings.Repeat("&", 8192)},
				}
			}
			return channel
		}),
	}
}

// typed returns an object with a typed spec, as a server-side apply client sends it.
func typed(kind string, spec any) *unstructured.Unstructured {
	GinkgoHelper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	Expect(err).NotTo(HaveOccurred())
	u := object(kind, "")
	u.Object["spec"] = fields
	return u
}

func apply(ctx context.Context, u *unstructured.Unstructured) error {
	return k8sClient.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), fieldOwner)
}

// largestConflicts returns the maximum number of conflicts in a status, each of the maximum size.
func largestConflicts() []accessv1alpha1.Conflict {
	return many(20, func(n int) accessv1alpha1.Conflict {
		return accessv1alpha1.Conflict{
			User: identity(n, 253), Organization: accessv1alpha1.OrganizationName(longest(n, 63)),
			Scope:       accessv1alpha1.ConflictScopeApplication,
			Application: accessv1alpha1.ApplicationName(longest(n, 63)), Result: accessv1alpha1.RoleName(longest(n, 63)),
			Grants: many(5, func(g int) accessv1alpha1.ConflictingGrant {
				return accessv1alpha1.ConflictingGrant{Source: source(g), Role: accessv1alpha1.RoleName(longest(g, 63))}
			}),
		}
	})
}

func source(n int) accessv1alpha1.SourceName {
	return accessv1alpha1.SourceName("AccessGroup/" + longest(n, 63) + "/" + longest(n, 253))
}

// largestConditions returns the conditions of a kind with very long messages.
func largestConditions() []metav1.Condition {
	return many(5, func(n int) metav1.Condition {
		return metav1.Condition{
			Type: fmt.Sprintf("Condition%d", n), Status: metav1.ConditionFalse, Reason: "Reason",
			Message: strings.Repeat("m", 2048), LastTransitionTime: *instant(2026), ObservedGeneration: 1,
		}
	})
}

func unresolvedReferences() []accessv1alpha1.UnresolvedReference {
	return many(20, func(n int) accessv1alpha1.UnresolvedReference {
		return accessv1alpha1.UnresolvedReference{
			Field: longest(n, 512), Kind: accessv1alpha1.ReferenceOrganizationRole, Name: longest(n, 253),
			Organization: accessv1alpha1.OrganizationName(longest(n, 63)),
		}
	})
}

func groupStatus() any {
	return &accessv1alpha1.AccessGroupStatus{
		Conditions: largestConditions(), Members: 5000, Unpublished: 5000, Conflicts: 5000,
		UnresolvedReferences: unresolvedReferences(), ConflictSamples: largestConflicts(),
	}
}

func userStatus() any {
	return &accessv1alpha1.UserAccessStatus{
		Conditions: largestConditions(), Conflicts: largestConflicts(),
		Applications: many(50, func(n int) accessv1alpha1.EffectiveRole {
			return accessv1alpha1.EffectiveRole{
				Name: accessv1alpha1.ApplicationName(longest(n, 63)), Role: accessv1alpha1.RoleName(longest(n, 63)),
				Source: source(n), Rule: "ProtectedAdministrator",
			}
		}),
		Groups: many(50, func(n int) accessv1alpha1.GroupName { return accessv1alpha1.GroupName(longest(n, 253)) }),
	}
}

var _ = DescribeTable("The largest objects are stored with their largest statuses",
	func(ctx SpecContext, kind string, spec, status any) {
		u := typed(kind, spec)
		u.SetName("largest")
		if kind == "AccessPolicy" {
			u.SetName("default")
		}
		began := time.Now()
		Expect(apply(ctx, u)).To(Succeed())
		applied := time.Since(began)

		u.SetManagedFields(nil)
		Expect(k8sClient.Get(ctx, client.ObjectKeyFromObject(u), u)).To(Succeed())
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
		Expect(err).NotTo(HaveOccurred())
		fields["observedGeneration"] = u.GetGeneration()
		u.Object["status"] = fields
		Expect(k8sClient.Status().Update(ctx, u)).To(Succeed())

		stored, err := json.Marshal(u)
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("size", fmt.Sprintf("%d bytes, applied in %s", len(stored), applied))
		Expect(k8sClient.Delete(ctx, u)).To(Succeed())
	},
	Entry("a group of 5,000 members with windows and 500 applications", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		Members: members(5000, 64), ApplicationAccess: applicationGrants(500),
	}, groupStatus()),
	Entry("a group of long identities", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{Members: members(2250, 253)}, groupStatus()),
	Entry("a group of 5,000 members with data permissions", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		Members: members(5000, 64), DataPermissions: dataPermissions(4, 4, 2, 4),
	}, groupStatus()),
	Entry("a group with data permissions for 100 applications", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		MemberGroups: groupNames(100), DataPermissions: dataPermissions(100, 3, 3, 4),
	}, groupStatus()),
	Entry("a group with 20 alternatives of 10 requirements", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		DataPermissions: dataPermissions(7, 20, 10, 3),
	}, groupStatus()),
	Entry("a System group for 100 organizations", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		Type: accessv1alpha1.GroupTypeSystem, SystemAccess: systemGrants(100, 41),
	}, groupStatus()),
	Entry("a System group of 5,000 members", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		Type: accessv1alpha1.GroupTypeSystem, Members: members(5000, 64), SystemAccess: systemGrants(4, 100),
	}, groupStatus()),
	Entry("a group with 20 selectors and 500 applications", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		Members: members(2500, 64), ApplicationAccess: applicationGrants(500), ApplicationSelectors: applicationSelectors(20),
	}, groupStatus()),
	Entry("a System group for organizations by label", "AccessGroup", &accessv1alpha1.AccessGroupSpec{
		Type: accessv1alpha1.GroupTypeSystem, SystemAccessSelectors: systemSelectors(20, 100, 1),
	}, groupStatus()),
	Entry("a user with 50 attributes of 100 values", "UserAccess", &accessv1alpha1.UserAccessSpec{
		User: identity(0, 253), Attributes: attributes(50, 100, "ä"),
	}, userStatus()),
	Entry("a user with 500 applications", "UserAccess", &accessv1alpha1.UserAccessSpec{
		User: identity(0, 253), Groups: groupNames(100), ApplicationAccess: applicationGrants(500),
		SystemAccess: systemGrants(100, 32),
	}, userStatus()),
	Entry("a policy", "AccessPolicy", new(largestPolicy()), &accessv1alpha1.AccessPolicyStatus{
		Conditions: largestConditions(), UnresolvedReferences: unresolvedReferences(),
	}),
	Entry("an application in the largest number of ConfigMaps", "ApplicationAccess", &accessv1alpha1.ApplicationAccessSpec{},
		&accessv1alpha1.ApplicationAccessStatus{
			ConfigMaps: many(64, func(n int) accessv1alpha1.ConfigMapName {
				return accessv1alpha1.ConfigMapName(longest(n, 253))
			}),
			UsersByRole: many(20, func(n int) accessv1alpha1.RoleUsers {
				return accessv1alpha1.RoleUsers{Role: accessv1alpha1.RoleName(longest(n, 63)), Users: 1}
			}),
		}),
)

var _ = DescribeTable("An object that is too large for etcd is refused before", func(ctx SpecContext, kind string, spec any, cause string) {
	Expect(create(ctx, typed(kind, spec))).To(beRefused(cause))
},
	Entry("5,001 members", "AccessGroup", &accessv1alpha1.AccessGroupSpec{Members: members(5001, 64)},
		"spec.members: must have at most 5000 items"),
	Entry("5,000 members with long identities", "AccessGroup", &accessv1alpha1.AccessGroupSpec{Members: members(5000, 128)},
		groupTooLarge),
	Entry("501 applications", "AccessGroup", &accessv1alpha1.AccessGroupSpec{ApplicationAccess: applicationGrants(501)},
		"spec.applicationAccess: must have at most 500 items"),
	Entry("101 groups", "AccessGroup", &accessv1alpha1.AccessGroupSpec{MemberGroups: groupNames(101)},
		"spec.memberGroups: must have at most 100 items"),
	Entry("101 organizations", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{Type: accessv1alpha1.GroupTypeSystem, SystemAccess: systemGrants(101, 1)},
		"spec.systemAccess: must have at most 100 items"),
	Entry("too many applications in organizations", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{Type: accessv1alpha1.GroupTypeSystem, SystemAccess: systemGrants(100, 42)},
		groupTooLarge),
	Entry("too many data values", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{DataPermissions: dataPermissions(8, 1, 8, 100)}, groupTooLarge),
	Entry("too many requirements", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{DataPermissions: dataPermissions(20, 20, 10, 1)}, groupTooLarge),
	Entry("21 selectors", "AccessGroup", &accessv1alpha1.AccessGroupSpec{ApplicationSelectors: applicationSelectors(21)},
		"spec.applicationSelectors: must have at most 20 items"),
	Entry("21 selectors of organizations", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{Type: accessv1alpha1.GroupTypeSystem, SystemAccessSelectors: systemSelectors(21, 1, 1)},
		"spec.systemAccessSelectors: must have at most 20 items"),
	Entry("too many selectors in organizations", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{Type: accessv1alpha1.GroupTypeSystem, SystemAccessSelectors: systemSelectors(20, 1, 3)},
		groupTooLarge),
	Entry("51 attributes", "UserAccess", &accessv1alpha1.UserAccessSpec{User: "a", Attributes: attributes(51, 1, "x")},
		"spec.attributes: must have at most 50 items"),
	Entry("101 values of an attribute", "UserAccess", &accessv1alpha1.UserAccessSpec{User: "a", Attributes: attributes(1, 101, "x")},
		"spec.attributes[0].values: must have at most 100 items"),
	Entry("attributes of characters that take more bytes", "UserAccess",
		&accessv1alpha1.UserAccessSpec{User: "a", Attributes: attributes(50, 100, "😀")}, userTooLarge),
	Entry("101 applications with rows", "AccessGroup",
		&accessv1alpha1.AccessGroupSpec{DataPermissions: dataPermissions(101, 1, 1, 1)},
		"spec.dataPermissions: must have at most 100 items"),
	Entry("too many applications of a user", "UserAccess",
		&accessv1alpha1.UserAccessSpec{User: "a", ApplicationAccess: applicationGrants(500), SystemAccess: systemGrants(100, 36)},
		userTooLarge),
)
