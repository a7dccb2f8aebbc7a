# syntax=docker/dockerfile:1

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
ARG VERSION=dev
WORKDIR /src
# Modules are a layer of their own: they change less often than code.
COPY go.mod go.sum go.work ./
COPY api/document/go.mod api/document/go.sum api/document/
RUN go mod download
COPY api api
COPY cmd cmd
COPY config/crd config/crd
COPY internal internal
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
    -ldflags "-s -w -X github.com/usher-dev/usher/internal/app.Version=$VERSION" \
    -o /usher ./cmd/usher

FROM gcr.io/distroless/static:nonroot
COPY --from=build /usher /usher
USER 65532:65532
ENTRYPOINT ["/usher"]
