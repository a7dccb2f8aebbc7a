# Everything here works on a machine with Go, git, make and a POSIX shell. Tools are built
# into bin/ on first use, in the versions that hack/tools/go.mod pins.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN ?= $(CURDIR)/bin
DIST ?= $(CURDIR)/dist
GOLANGCI_LINT := $(BIN)/golangci-lint
CONTROLLER_GEN := $(BIN)/controller-gen
HELM := $(BIN)/helm
KO := $(BIN)/ko
KUBE_SCORE := $(BIN)/kube-score
VALE := $(BIN)/vale

IMG ?= usher:dev
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/usher-dev/usher/internal/app.Version=$(VERSION) \
	-X github.com/usher-dev/usher/internal/cli.Version=$(VERSION)

# Each has its own go.mod; the first is Usher.
MODULES := . api/document hack/controlplane hack/tools hack/tools/cni hack/tools/containerd hack/tools/ko \
	hack/tools/kube-score hack/tools/kustomize-controller hack/tools/vale test/browser test/e2e \
	test/formats test/gitops test/install test/monitoring
LINTED := . api/document hack/controlplane test/browser test/e2e test/formats test/gitops test/install \
	test/monitoring

SAMPLES ?= config/samples
INSTALL ?= kustomize
FUZZTIME ?= 10s
TESTFLAGS ?=

# The race detector needs a C compiler.
RACE ?= $(if $(shell command -v $$(go env CC) 2>/dev/null),-race)

# A compiler that collects garbage less often needs a fifth less time, and more memory.
COMPILE := GOGC=$${GOGC:-400} go

say = @printf '\n==> %s\n' "$(1)"

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: clean
clean: down ## Remove bin/ and dist/ with everything that was built or left in them.
	rm -rf $(BIN) $(DIST)

##@ Try it

.PHONY: demo
demo: answers ## Show who gets what in the samples: from their files, then on a control plane of its own.
	$(call say,the same on a control plane of its own)
	@$(COMPILE) build -o $(BIN)/demo ./hack/local
	@$(BIN)/demo demo --samples=$(SAMPLES)

.PHONY: answers
answers: ## Show who gets what in the samples, from their files alone.
ifneq ($(SAMPLES),none)
	$(call say,who gets what in the files of $(SAMPLES) (compiles the kubectl plugin: minutes the first time, then seconds))
	@$(COMPILE) build -o $(BIN)/kubectl-access -ldflags='$(LDFLAGS)' ./cmd/kubectl-access
	@$(BIN)/kubectl-access matrix -k $(SAMPLES)
ifeq ($(SAMPLES),config/samples)
	$(call say,why amelie@acme.example edits sales)
	@$(BIN)/kubectl-access explain amelie@acme.example --namespace=analytics --application=sales -k $(SAMPLES)
endif
endif

.PHONY: up
up: build $(if $(filter helm,$(INSTALL)),$(HELM)) ## Run Usher in the background, with samples (SAMPLES=none: without; INSTALL=helm: from the chart).
ifeq ($(INSTALL),helm)
	@$(HELM) template usher config/helm/usher --namespace=usher-system --values=config/local/helm_values.yaml >$(BIN)/chart.yaml
	@go run ./hack/local up --samples=$(SAMPLES) --install=$(BIN)/chart.yaml
else
	@go run ./hack/local up --samples=$(SAMPLES)
endif

.PHONY: down
down: ## End what "make up" started.
	@go run ./hack/local down

##@ Develop

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the deep copy functions of the API types.
	$(call say,generating deep copy functions)
	$(CONTROLLER_GEN) object paths=./api/v1alpha1/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate CRDs, the manager's roles, the webhook configuration, and the chart's copies.
	$(call say,generating manifests)
	$(CONTROLLER_GEN) crd paths=./api/v1alpha1/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./internal/... output:rbac:dir=config/rbac
	$(CONTROLLER_GEN) webhook paths=./internal/webhook/... output:webhook:dir=config/webhook
	go run ./hack/manifests chart

.PHONY: modules
modules: ## Tidy all modules, and have them require the same versions: each package is then compiled once.
	@go run ./hack/modversions --fix $(LINTED)
	@go run ./hack/modversions --tidy $(MODULES)

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format all Go code.
	@for module in $(LINTED); do \
		(cd $$module && $(GOLANGCI_LINT) fmt --config $(CURDIR)/.golangci.yml ./...) || exit 1; \
	done

.PHONY: vet
vet: ## Run go vet on every module with code; "make lint" has it, too.
	$(call say,go vet)
	@for module in $(LINTED); do go vet -C $$module ./... || exit 1; done

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Hold all Go code against .golangci.yml.
	$(call say,lint)
	@for module in $(LINTED); do \
		(cd $$module && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; \
	done

.PHONY: lint-api
lint-api: $(GOLANGCI_LINT) ## Hold the API types against the Kubernetes API conventions.
	$(call say,lint the API)
	@$(GOLANGCI_LINT) run --config .golangci-api.yml ./api/v1alpha1/...

##@ Test

.PHONY: test
test: control-plane $(BIN)/testrun ## Run all tests.
	@$(BIN)/testrun --flags="$(TESTFLAGS)" all

.PHONY: test-unit
test-unit: $(BIN)/testrun ## Run the tests that need no control plane.
	@$(BIN)/testrun --flags="$(TESTFLAGS)" unit

.PHONY: test-integration
test-integration: control-plane $(BIN)/testrun ## Run the tests on a real control plane.
	@$(BIN)/testrun --flags="$(TESTFLAGS)" integration

.PHONY: $(BIN)/testrun
$(BIN)/testrun:
	@go build -o $@ ./hack/testrun

.PHONY: control-plane
control-plane: ## Fetch or build the control plane for tests, once per machine (USHER_ASSETS=build: do not fetch).
	$(call say,control plane)
	@$(COMPILE) build -C hack/controlplane -o $(BIN)/controlplane .
	@$(BIN)/controlplane assets --source=hack/controlplane
	@$(COMPILE) build -C hack/controlplane -o $(BIN)/controllers ./controllers

# Not a test: what it finds depends on what else the machine does. docs/scale.md says how to read it.
SIZE ?= M
BENCH ?=
.PHONY: bench
bench: control-plane ## Measure speed and cost at SIZE (S, M or L); BENCH=name: one scenario.
	$(call say,benchmarks)
	@go build -o $(BIN)/bench ./test/bench
	@$(BIN)/bench -size=$(SIZE) -bench=$(BENCH) -output=$(BIN)/bench.json

# Minutes, and none of it may fail; the short form is one of the integration tests.
SEED ?= 0
FOCUS ?=
.PHONY: fault
fault: control-plane ## Break what Usher runs on; SEED=n: as an earlier run did, FOCUS=words: one fault.
	$(call say,faults)
	@go test ./test/fault -count=1 -timeout=12m -v $(RACE) -long -seed=$(SEED) -ginkgo.focus='$(FOCUS)'

# Root only, and minutes. What it builds is kept in the user's cache directory.
LABELS ?=
KEEP ?=
.PHONY: e2e
e2e: ## Run Usher from its image on two nodes; LABELS=core: the main part, KEEP=1: keep the cluster until Ctrl-C.
	$(call say,a cluster with nodes)
	@USHER_E2E_STAGE=prepare USHER_E2E_KEEP=$(KEEP) go test -C test/e2e -count=1 -v -timeout=40m . -ginkgo.label-filter='$(LABELS)'

.PHONY: fuzz-short
fuzz-short: ## Run every fuzz test for FUZZTIME.
	$(call say,fuzz tests)
	@grep -rl --include='*_test.go' '^func Fuzz' api internal | while read -r file; do \
		for fuzz in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$fuzz in $$file"; \
			go test -run='^$$' -fuzz="^$$fuzz\$$" -fuzztime=$(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
		done || exit 1; \
	done

.PHONY: verify
verify: verify-generated verify-format verify-modules verify-docs verify-prose verify-manifests verify-plugin lint lint-api ## Check all that can be checked without running Usher.
	$(call say,verified)

.PHONY: verify-generated
verify-generated: $(CONTROLLER_GEN)
	$(call say,generated files)
	@BIN=$(BIN) hack/verify-generated.sh

.PHONY: verify-format
verify-format:
	$(call say,format)
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard --deduplicate '*.go' | while read -r file; do \
		if [ -e "$$file" ]; then echo "$$file"; fi; done)); \
	if [ -n "$$unformatted" ]; then printf '%s\nrun "make fmt"\n' "$$unformatted"; exit 1; fi

.PHONY: verify-modules
verify-modules:
	$(call say,go mod tidy)
	@go run ./hack/modversions --tidy --diff $(MODULES)
	@go run ./hack/modversions $(LINTED)

.PHONY: verify-docs
verify-docs:
	$(call say,paths in the documentation)
	@go run ./hack/docpaths
	$(call say,imports in the documentation)
	@go run ./hack/importtable

# The files that vale checks, as patterns of git. The code follows package by package: '*.go' reads the comments, and
# '*.golden' the messages.
PROSE := README.md CONTRIBUTING.md docs config/helm/usher/templates/NOTES.txt 'config/*.yaml' '*.go'
PROSE_GENERATED := ':!config/crd/bases' ':!config/helm/usher/templates/crds' ':!*zz_generated*' ':!*.png'

.PHONY: verify-prose
ifneq ($(RACE),)
verify-prose: $(VALE)
	$(call say,prose)
	@git ls-files -z -- $(PROSE) $(PROSE_GENERATED) | xargs -0 $(VALE) --config=hack/vale/vale.ini --output=line
else
verify-prose:
	$(call say,prose is not checked: vale needs a C compiler)
endif

# One machine for each system: only the system selects files.
.PHONY: verify-plugin
verify-plugin:
	$(call say,the plugin for macOS and Windows)
	@for platform in darwin/arm64 windows/amd64; do \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0 $(COMPILE) build -o /dev/null ./cmd/kubectl-access || \
			{ echo "$$platform: the plugin does not build"; exit 1; }; \
	done

# What kube-score is not asked about: an image that is named by version or digest need not be pulled at every start.
KUBE_SCORE_IGNORED := container-image-pull-policy
EXAMPLE_IMAGE := registry.example/usher

.PHONY: verify-manifests
verify-manifests: $(HELM) $(KUBE_SCORE)
	$(call say,chart)
	@go test -C test/install -count=1 .
	@$(HELM) lint --strict --quiet config/helm/usher
	$(call say,kube-score)
	@go run ./hack/manifests install --image=$(EXAMPLE_IMAGE):v1 | $(KUBE_SCORE) score --ignore-test=$(KUBE_SCORE_IGNORED) -
	@for issuer in Usher CertManager; do \
		$(HELM) template usher config/helm/usher --namespace=usher-system --set=certificates.issuedBy=$$issuer \
			--set=image.repository=$(EXAMPLE_IMAGE) --set=image.tag=v1 --set=metrics.serviceMonitor.enabled=true --set=metrics.prometheusRule.enabled=true --set=pdp.enabled=true --set=scim.enabled=true \
			| $(KUBE_SCORE) score --ignore-test=$(KUBE_SCORE_IGNORED) - || exit 1; \
	done

##@ Build

.PHONY: build
build: ## Build the manager and the kubectl plugin into bin/.
	$(call say,build)
	@for command in cmd/*/; do \
		if [ -d "$$command" ]; then \
			go build -ldflags='$(LDFLAGS)' -o "$(BIN)/$$(basename "$$command")" "./$$command" || exit 1; \
		fi; \
	done

.PHONY: docker-build
docker-build: ## Build the manager's image as IMG.
	docker build --build-arg VERSION=$(VERSION) --tag $(IMG) .

.PHONY: build-installer
build-installer: ## Write all of config/default, with IMG, into dist/install.yaml.
	@mkdir -p $(DIST)
	@go run ./hack/manifests install --image=$(IMG) >$(DIST)/install.yaml

.PHONY: build-chart
build-chart: $(HELM) ## Package the Helm chart into dist/.
	@$(HELM) package config/helm/usher --destination=$(DIST)

# Without Docker. What it is based on comes from a registry, or from KOCACHE: docs/operations.md.
.PHONY: image
image: $(KO) ## Build the manager's image for linux/amd64 and linux/arm64 into dist/image, its SBOMs into dist/sbom.
	@mkdir -p $(DIST)/sbom
	@KO_DOCKER_REPO=$(firstword $(subst :, ,$(IMG))) VERSION=$(VERSION) $(KO) build ./cmd/usher --bare --push=false \
		--oci-layout-path=$(DIST)/image --sbom-dir=$(DIST)/sbom

.PHONY: build-plugin
build-plugin: ## Build the kubectl plugin for every platform that krew knows into dist/.
	@go run ./hack/plugin -dist=$(DIST) -ldflags='$(LDFLAGS)'

$(GOLANGCI_LINT): hack/tools/go.mod
	$(call say,building golangci-lint with the API linter (about a minute, once))
	@go build -C hack/tools -o $@ sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter

$(CONTROLLER_GEN): hack/tools/go.mod
	$(call say,building controller-gen)
	@go build -C hack/tools -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(HELM): test/install/go.mod
	$(call say,building helm)
	@go build -C test/install -o $@ helm.sh/helm/v4/cmd/helm

$(KO): hack/tools/ko/go.mod
	$(call say,building ko)
	@go build -C hack/tools/ko -o $@ github.com/google/ko

$(VALE): hack/tools/vale/go.mod
	$(call say,building vale)
	@go build -C hack/tools/vale -o $@ github.com/errata-ai/vale/v3/cmd/vale

$(KUBE_SCORE): hack/tools/kube-score/go.mod
	$(call say,building kube-score)
	@go build -C hack/tools/kube-score -o $@ github.com/zegl/kube-score/cmd/kube-score
