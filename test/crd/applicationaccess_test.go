package crd_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("ApplicationAccess accepts", func(ctx SpecContext, spec string) {
	Expect(create(ctx, object("ApplicationAccess", spec))).To(Succeed())
},
	Entry("no spec", ""),
	Entry("nothing in a spec", "{}"),
	Entry("nothing to say about publishing", "publish: {}"),
	Entry("everything", `
displayName: Finance
unmatchedRows: None
publish: {formats: [JSON, CSV, Casbin, OPA], minimumShards: 64}`),
)

var _ = DescribeTable("ApplicationAccess refuses", func(ctx SpecContext, spec string, causes ...string) {
	Expect(create(ctx, object("ApplicationAccess", spec))).To(beRefused(causes...))
},
	Entry("unknown rows", "unmatchedRows: Some", `spec.unmatchedRows: supported values: "All", "None"`),
	Entry("an unknown format", "publish: {formats: [XML]}",
		`spec.publish.formats[0]: supported values: "JSON", "CSV", "Casbin", "OPA"`),
	Entry("a format twice", "publish: {formats: [CSV, CSV]}", `spec.publish.formats[1]: "CSV"`),
	Entry("three shards", "publish: {minimumShards: 3}",
		`spec.publish.minimumShards: supported values: "1", "2", "4", "8", "16", "32", "64"`),
	Entry("no shards", "publish: {minimumShards: 0}",
		"spec.publish.minimumShards: should be greater than or equal to 1",
		`spec.publish.minimumShards: supported values: "1", "2", "4", "8", "16", "32", "64"`),
	Entry("too many shards", "publish: {minimumShards: 128}",
		"spec.publish.minimumShards: should be less than or equal to 64",
		`spec.publish.minimumShards: supported values: "1", "2", "4", "8", "16", "32", "64"`),
)

var _ = DescribeTable("the name of an ApplicationAccess", func(ctx SpecContext, name string, accepted bool) {
	application := object("ApplicationAccess", "")
	application.SetName(name)
	if accepted {
		Expect(create(ctx, application)).To(Succeed())
		return
	}
	Expect(create(ctx, application)).To(beRefused("metadata: the name is the name of the application and must be a DNS-1123 label: " +
		"at most 63 lower-case letters, digits and -, without dots; write another name into displayName"))
},
	Entry("may have 63 characters", strings.Repeat("a", 63), true),
	Entry("may have no more", strings.Repeat("a", 64), false),
	Entry("may have no dot: what follows it is a shard", "finance.1", false),
)
