package v1alpha1

// ChannelType says how a notification channel delivers.
//
// +kubebuilder:validation:Enum=SMTP;Webhook;Slack
type ChannelType string

// Types of channels.
const (
	ChannelTypeSMTP    ChannelType = "SMTP"
	ChannelTypeWebhook ChannelType = "Webhook"
	ChannelTypeSlack   ChannelType = "Slack"
)

// SMTPTLS says how a connection to a mail server is protected.
//
// +kubebuilder:validation:Enum=StartTLS;TLS;None
type SMTPTLS string

// Values of tls.
const (
	SMTPTLSStartTLS SMTPTLS = "StartTLS"
	SMTPTLSTLS      SMTPTLS = "TLS"
	SMTPTLSNone     SMTPTLS = "None"
)

// NotificationChannel is a channel for notices to members. Exactly the struct of its type is set; Slack has none,
// because its only parameter is secret.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'SMTP') == has(self.smtp)",message="smtp must be given exactly when type is SMTP",fieldPath=".smtp",reason="FieldValueInvalid"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Webhook') == has(self.webhook)",message="webhook must be given exactly when type is Webhook",fieldPath=".webhook",reason="FieldValueInvalid"
// +kubebuilder:validation:XValidation:rule="self.type != 'Slack' || has(self.secretRef)",message="Slack takes a secretRef: the address to post to is secret",fieldPath=".secretRef",reason="FieldValueRequired"
type NotificationChannel struct {
	// name is the name by which groups refer to the channel.
	// +required
	Name ChannelName `json:"name,omitempty"`

	// type says how the channel delivers.
	// +required
	Type ChannelType `json:"type,omitempty"`

	// smtp says how mail is sent. Given exactly when type is SMTP.
	// +optional
	SMTP SMTPChannel `json:"smtp,omitzero"`

	// webhook says where notices are posted. Given exactly when type is Webhook.
	// +optional
	Webhook WebhookChannel `json:"webhook,omitzero"`

	// secretRef names a Secret of the same namespace and of type access.usher.dev/channel that holds what must stay
	// secret: for SMTP the keys server, username and password, for Webhook the keys url and signingKey, for Slack the
	// key url. server and url must be those of the channel. Optional for SMTP and Webhook, required for Slack.
	// +optional
	SecretRef SecretReference `json:"secretRef,omitzero"`

	// perMinute is the maximum number of notices that the channel delivers a minute. Defaults to 600.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60000
	PerMinute int32 `json:"perMinute,omitempty"`
}

// SMTPChannel says how mail is sent.
type SMTPChannel struct {
	// server is the mail server, as host:port.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=261
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$`
	Server string `json:"server,omitempty"`

	// sender is the sender address of the mail.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:Pattern=`^[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+@[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+$`
	Sender string `json:"sender,omitempty"`

	// tls says how the connection is protected: StartTLS, TLS or None. Defaults to StartTLS.
	// +optional
	// +kubebuilder:default="StartTLS"
	TLS SMTPTLS `json:"tls,omitempty"`

	// template is the text of the mail. Absent: Usher's own text.
	// +optional
	Template MailTemplate `json:"template,omitzero"`
}

// MailTemplate is the text of a mail: Go templates over a notice. Absent parts have Usher's own text.
//
// +kubebuilder:validation:MinProperties=1
type MailTemplate struct {
	// subject is the subject, one line. Absent: Usher's own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Subject string `json:"subject,omitempty"`

	// text is the plain text body. Absent: Usher's own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`^([\t\n]|[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}])+$`
	Text string `json:"text,omitempty"`

	// html is the HTML body. The content of the notice is escaped in it. Absent: Usher's own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:Pattern=`^([\t\n]|[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}])+$`
	HTML string `json:"html,omitempty"`
}

// WebhookChannel says where notices are posted.
type WebhookChannel struct {
	// url is the address.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[A-Za-z0-9.\[\]:_-]+([/?][^\p{Z}\p{Cc}\p{Cf}"\\]*)?$`
	URL string `json:"url,omitempty"`
}

// SecretReference names a Secret of the same namespace.
type SecretReference struct {
	// name is the name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`
}
