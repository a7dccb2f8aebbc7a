{{- /* What selects the manager's pods. */}}
{{- define "usher.selector" -}}
app.kubernetes.io/name: usher
control-plane: controller-manager
{{- end }}

{{- /* What selects the decision point's pods. */}}
{{- define "usher.pdpSelector" -}}
app.kubernetes.io/name: usher
control-plane: pdp
{{- end }}

{{- /* What selects the SCIM server's pods. */}}
{{- define "usher.scimSelector" -}}
app.kubernetes.io/name: usher
control-plane: scim
{{- end }}

{{- define "usher.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* Label expressions, as the flag takes them. */}}
{{- define "usher.selectorFlag" -}}
{{- $terms := list -}}
{{- range . -}}
{{- if eq .operator "Exists" -}}
{{- $terms = append $terms .key -}}
{{- else if eq .operator "DoesNotExist" -}}
{{- $terms = append $terms (printf "!%s" .key) -}}
{{- else if and (eq .operator "In") (eq (len .values) 1) -}}
{{- $terms = append $terms (printf "%s=%s" .key (first .values)) -}}
{{- else -}}
{{- $terms = append $terms (printf "%s %s (%s)" .key (lower .operator) (join "," .values)) -}}
{{- end -}}
{{- end -}}
{{- join "," $terms -}}
{{- end }}

{{- /* Label expressions, as a label selector. */}}
{{- define "usher.labelSelector" -}}
{{- $labels := dict -}}
{{- $expressions := list -}}
{{- range . -}}
{{- if and (eq .operator "In") (eq (len .values) 1) -}}
{{- if hasKey $labels .key -}}
{{- fail (printf "label %s is asked to have two values at once, which none has: give one expression with both" .key) -}}
{{- end -}}
{{- $_ := set $labels .key (first .values) -}}
{{- else -}}
{{- $expressions = append $expressions . -}}
{{- end -}}
{{- end -}}
{{- $selector := dict -}}
{{- with $labels -}}
{{- $_ := set $selector "matchLabels" . -}}
{{- end -}}
{{- with $expressions -}}
{{- $_ := set $selector "matchExpressions" . -}}
{{- end -}}
{{- toYaml $selector -}}
{{- end }}

{{- /* What organizationSelector selects, for the admission policies. They never hold in the namespaces of Kubernetes. */}}
{{- define "usher.organizations" -}}
{{- if .Values.organizationSelector -}}
{{- include "usher.labelSelector" .Values.organizationSelector -}}
{{- else -}}
matchExpressions:
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
  - kube-node-lease
  - kube-public
  - kube-system
{{- end -}}
{{- end }}

{{- /* Fails where a flag is given that has a value: other objects follow the value. Takes the flags, the values by flag, and
the name of the value that has the flags. */}}
{{- define "usher.checkFlags" -}}
{{- $values := .values -}}
{{- $name := .name -}}
{{- range .given -}}
{{- $flag := regexReplaceAll "^--?([^=]*).*$" . "${1}" -}}
{{- with get $values $flag -}}
{{- fail (printf "%s: --%s is not set here; the value for it is %s" $name $flag .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "usher.checkPDPArgs" -}}
{{- $values := dict
  "organization-selector" "organizationSelector"
  "system-namespace" "systemNamespace"
  "max-staleness" "pdp.maxStaleness"
  "bind-address" "nothing: the Service follows it"
  "certificate-dir" "nothing: the mount follows it"
  "metrics-bind-address" "metrics.enabled"
  "metrics-secure" "metrics.secure"
  "health-probe-bind-address" "nothing: the probes follow it"
  "zap-log-level" "logging.level"
  "zap-encoder" "logging.encoder" -}}
{{- include "usher.checkFlags" (dict "given" .Values.pdp.extraArgs "values" $values "name" "pdp.extraArgs") -}}
{{- end }}

{{- define "usher.checkSCIMArgs" -}}
{{- $values := dict
  "bind-address" "nothing: the Service follows it"
  "certificate-dir" "nothing: the mount follows it"
  "api-server-ca" "nothing: the mount follows it"
  "metrics-bind-address" "metrics.enabled"
  "metrics-secure" "metrics.secure"
  "health-probe-bind-address" "nothing: the probes follow it"
  "zap-log-level" "logging.level"
  "zap-encoder" "logging.encoder" -}}
{{- include "usher.checkFlags" (dict "given" .Values.scim.extraArgs "values" $values "name" "scim.extraArgs") -}}
{{- end }}

{{- define "usher.checkArgs" -}}
{{- $values := dict
  "leader-elect" "replicas"
  "organization-selector" "organizationSelector"
  "system-namespace" "systemNamespace"
  "document-grace" "documentGrace"
  "metrics-bind-address" "metrics.enabled"
  "metrics-secure" "metrics.secure"
  "health-probe-bind-address" "nothing: the probes follow it"
  "webhook-bind-address" "nothing: the Service follows it"
  "webhook-certificates" "certificates.issuedBy"
  "webhook-certificate-dir" "certificates.issuedBy"
  "webhook-certificate-secret" "certificates.issuedBy"
  "webhook-certificate-validity" "certificates.validity"
  "webhook-ca-validity" "certificates.authorityValidity"
  "webhook-client-ca" "webhook.clientCA"
  "pdp-certificate-secret" "certificates.issuedBy"
  "pdp-certificate-configmap" "nothing: the ConfigMap has a fixed name"
  "scim-certificate-secret" "certificates.issuedBy"
  "scim-certificate-configmap" "nothing: the ConfigMap has a fixed name"
  "zap-log-level" "logging.level"
  "zap-encoder" "logging.encoder" -}}
{{- include "usher.checkFlags" (dict "given" .Values.extraArgs "values" $values "name" "extraArgs") -}}
{{- end }}
