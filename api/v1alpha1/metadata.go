package v1alpha1

// Labels and annotations. A value that a constant below does not name is free.
const (
	// LabelMaterialized with the value "true" marks a UserAccess that Usher wrote. It is one of three things that make
	// a UserAccess materialized: its name and a spec that says nothing but the user are the others.
	LabelMaterialized = "access.usher.dev/materialized"

	// LabelDocument names the kind of document that a published ConfigMap holds: one of the Document values.
	LabelDocument = "access.usher.dev/document"

	// LabelProtected with the value "true" forbids to delete an object, or to change anything in it but its members,
	// without the verb unprotect.
	LabelProtected = "access.usher.dev/protected"

	// LabelNotify with the value "true" on a Secret allows notification channels to use it.
	LabelNotify = "access.usher.dev/notify"

	// LabelOrganization with the value OrganizationEnabled on a namespace is what the shipped deployment selects
	// organizations by.
	LabelOrganization = "access.usher.dev/organization"

	// LabelManagedBy is the common label that published ConfigMaps carry with the value ManagedBy.
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// AnnotationDigest is the SHA-256 over the data of a published ConfigMap, for reload tools.
	AnnotationDigest = "access.usher.dev/digest"

	// AnnotationAllowRevocation lets one change pass the revocation limit: "<users>@<RFC 3339 deadline>".
	AnnotationAllowRevocation = "access.usher.dev/allow-revocation"
)

// Values of the labels above.
const (
	// ValueTrue is what the labels that switch something on carry.
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
)
