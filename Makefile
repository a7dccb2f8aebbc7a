SHELL := /bin/sh
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint
CONTROLLER_GEN := $(BIN)/controller-gen

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: lint-api
lint-api: $(GOLANGCI_LINT) ## Hold the API types against the Kubernetes API conventions.
	$(GOLANGCI_LINT) run --config .golangci-api.yml ./api/v1alpha1/...

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the deep copy functions of the API types.
	$(CONTROLLER_GEN) object paths=./api/v1alpha1/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRDs from the API types.
	$(CONTROLLER_GEN) crd paths=./api/v1alpha1/... output:crd:dir=config/crd/bases

$(GOLANGCI_LINT): hack/tools/go.mod
	go build -C hack/tools -o $@ sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter

$(CONTROLLER_GEN): hack/tools/go.mod
	go build -C hack/tools -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen
