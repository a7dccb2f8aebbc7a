package v1alpha1

// Labels and annotations. A value that a constant below does not name is free.
const (
	// LabelMaterialized with the value "true" marks a UserAccess that Usher wrote. It is one of three things that make
	// a UserAccess materialized: the others are its name and a spec that sets only the user.
	LabelMaterialized = "access.usher.dev/materialized"

	// LabelDocument names the kind of document that a published ConfigMap holds: one of the Document values.
	LabelDocument = "access.usher.dev/document"

	// LabelProtected with the value "true" forbids deleting an object, or changing anything in it except its members,
	// without the verb unprotect.
	LabelProtected = "access.usher.dev/protected"

	// LabelRecord says which record of Usher a ConfigMap contains: one of the Record values.
	LabelRecord = "access.usher.dev/record"

	// LabelOrganization with the value OrganizationEnabled marks a namespace as an organization in the shipped
	// deployment.
	LabelOrganization = "access.usher.dev/organization"

	// LabelProvisionedBy names the service account by whose token an identity provider created the object, or added the
	// members of an AccessGroup.
	LabelProvisionedBy = "access.usher.dev/provisioned-by"

	// LabelPartOf on an AccessGroup names the provisioned AccessGroup whose members it holds a part of.
	LabelPartOf = "access.usher.dev/part-of"

	// LabelUserNameDigest, LabelDisplayNameDigest and LabelExternalIDDigest hold digests by which an identity provider's
	// objects are found.
	LabelUserNameDigest    = "access.usher.dev/user-name-digest"
	LabelDisplayNameDigest = "access.usher.dev/display-name-digest"
	LabelExternalIDDigest  = "access.usher.dev/external-id-digest"

	// LabelManagedBy is the common label that published ConfigMaps carry with the value ManagedBy.
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// AnnotationDigest is the SHA-256 over the data of a published ConfigMap, for reload tools.
	AnnotationDigest = "access.usher.dev/digest"

	// AnnotationNotify on an AccessGroup or a UserAccess requests notices to all members, or to the user, about their
	// current access. The value is an RFC 3339 instant. A later instant is a new request.
	AnnotationNotify = "access.usher.dev/notify"

	// AnnotationAllowRevocation lets one change pass the revocation limit: "<users>@<RFC 3339 deadline>".
	AnnotationAllowRevocation = "access.usher.dev/allow-revocation"

	// AnnotationMembers with the value MembersProvisioned on an AccessGroup lets an identity provider add members to it.
	AnnotationMembers = "access.usher.dev/members"

	// AnnotationExternalID is the identifier by which an identity provider knows the object.
	AnnotationExternalID = "access.usher.dev/external-id"

	// AnnotationUserName is the userName that an identity provider gave a user whose identity is another attribute.
	AnnotationUserName = "access.usher.dev/user-name"
)

// Values of the labels above.
const (
	// ValueTrue is the value of labels that turn something on.
	ValueTrue = "true"

	// OrganizationEnabled is the value of LabelOrganization on an organization's namespace.
	OrganizationEnabled = "enabled"

	// ManagedBy is the value of LabelManagedBy on published ConfigMaps.
	ManagedBy = "usher"

	// DocumentApplication is the value of LabelDocument on an application document.
	DocumentApplication = "application"

	// DocumentUser is the value of LabelDocument on a user document.
	DocumentUser = "user"

	// DocumentOrganizations is the value of LabelDocument on an organizations document.
	DocumentOrganizations = "organizations"

	// MembersProvisioned is the value of AnnotationMembers.
	MembersProvisioned = "provisioned"

	// RecordNotices is the value of LabelRecord on the record of sent notices.
	RecordNotices = "notices"
)

// SecretTypeChannel is the type of a Secret that a notification channel may name. It contains the server or URL that it
// is for, so that nobody can read a Secret by naming it in a channel.
const SecretTypeChannel = "access.usher.dev/channel"

// Keys of a Secret of type SecretTypeChannel.
const (
	// ChannelKeyServer is the mail server that username and password are for: smtp.server of the channel.
	ChannelKeyServer = "server"

	// ChannelKeyUsername is the name to log in with at the mail server. Absent: Usher does not log in.
	ChannelKeyUsername = "username"

	// ChannelKeyPassword is the password for that name.
	ChannelKeyPassword = "password"

	// ChannelKeyURL is the address that the signing key is for: webhook.url of the channel. For Slack it is the address
	// to post to.
	ChannelKeyURL = "url"

	// ChannelKeySigningKey is the key that signs posts to a webhook: "whsec_" and 24 to 64 bytes in base64.
	ChannelKeySigningKey = "signingKey"

	// ChannelKeyCertificateAuthority holds certificate authorities in PEM, in addition to those that the manager's
	// system trusts. Absent: none.
	ChannelKeyCertificateAuthority = "ca.crt"
)
