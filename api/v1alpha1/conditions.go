package v1alpha1

// Condition types.
const (
	// ConditionReady is true when all that this generation of the object changes is published, and every reference in
	// it resolves. Every kind has it.
	ConditionReady = "Ready"

	// ConditionResolvedRefs is false while the object names a role, group or channel that does not exist.
	ConditionResolvedRefs = "ResolvedRefs"

	// ConditionRoleConflict is true while grants of different sources give a user different roles in one scope, and
	// this object is one of the sources.
	ConditionRoleConflict = "RoleConflict"

	// ConditionStalled is present, and true, only while something is wrong that waiting will not mend. For references to
	// objects that do not exist this is assumed after two minutes.
	ConditionStalled = "Stalled"

	// ConditionSystemRoleUnmapped is present, and true, only while a system role that someone holds in the organization
	// means a role that is not on the organization's ladder. It stands on the AccessPolicy.
	ConditionSystemRoleUnmapped = "SystemRoleUnmapped"

	// ConditionAdministratorExpires is present, and true, only while every holder of the top organization role has an
	// end. It stands on the AccessPolicy.
	ConditionAdministratorExpires = "AdministratorExpires"

	// ConditionFiltersTooLarge is present, and true, only while the row-level filters of a user in one organization are
	// larger together than docs/rules.md R7 allows, so that the user sees no row of some applications. It stands on the
	// user's UserAccess and on every AccessGroup that contributes filters.
	ConditionFiltersTooLarge = "FiltersTooLarge"

	// ConditionTooManyWindows is present, and true, only while more windows bear on an entry than notAfter looks at
	// exactly. It stands on the user's UserAccess.
	ConditionTooManyWindows = "TooManyWindows"

	// ConditionNameTaken is present, and true, only while this object has the name that the materialized UserAccess of
	// another user needs. It stands on the UserAccess.
	ConditionNameTaken = "NameTaken"

	// ConditionNoticesFailing is present, and true, only while members of the group cannot be told of their access. It
	// stands on the AccessGroup.
	ConditionNoticesFailing = "NoticesFailing"

	// ConditionReviewDue is present, and true, only from the instant on at which a review of the group is due, until
	// reviewedAt says that it was made. It stands on the AccessGroup.
	ConditionReviewDue = "ReviewDue"
)

// Reasons of ConditionReady.
const (
	// ReasonPublished says that workloads get what this generation says.
	ReasonPublished = "Published"

	// ReasonPublishing says that documents which this generation changes are not all there yet.
	ReasonPublishing = "Publishing"

	// ReasonUnresolvedReferences says that the object names something that does not exist. Also of ConditionResolvedRefs,
	// and, once this has lasted two minutes, of ConditionStalled.
	ReasonUnresolvedReferences = "UnresolvedReferences"

	// ReasonPublishFailed says that a document of this object could not be written for a reason of its own, such as a
	// quota or a namespace that is being deleted.
	ReasonPublishFailed = "PublishFailed"

	// ReasonLossNotPublished says that a published document still gives more than it should on account of this object,
	// because it cannot be written.
	ReasonLossNotPublished = "LossNotPublished"

	// ReasonDocumentTooLarge says that users are left out of an application document because their entries do not fit
	// into its shards.
	ReasonDocumentTooLarge = "DocumentTooLarge"
)

// Reasons of ConditionStalled, and of ConditionReady while stalled.
const (
	// ReasonWrongNamespace says that a System group stands outside the system namespace, or an Organization group
	// inside it.
	ReasonWrongNamespace = "WrongNamespace"

	// ReasonNotAnOrganization says that the object's namespace is not selected as an organization.
	ReasonNotAnOrganization = "NotAnOrganization"

	// ReasonDuplicateUser says that another UserAccess of the namespace is the one that counts for the user.
	ReasonDuplicateUser = "DuplicateUser"

	// ReasonConfigMapConflict says that a ConfigMap that is not Usher's has the name of a document.
	ReasonConfigMapConflict = "ConfigMapConflict"
)

// Reasons of the other conditions.
const (
	// ReasonResolved says that everything the object names exists. Of ConditionResolvedRefs.
	ReasonResolved = "Resolved"

	// ReasonConflicts says that there are conflicts. Of ConditionRoleConflict.
	ReasonConflicts = "Conflicts"

	// ReasonNoConflicts says that there are none. Of ConditionRoleConflict.
	ReasonNoConflicts = "NoConflicts"

	// ReasonExclusiveAccess says that a rule of exclusive access took roles away. Of ConditionRoleConflict.
	ReasonExclusiveAccess = "ExclusiveAccess"

	// ReasonRoleNotOnLadder says that a system role means what the organization's ladder does not have. Of
	// ConditionSystemRoleUnmapped.
	ReasonRoleNotOnLadder = "RoleNotOnLadder"

	// ReasonEveryHolderExpires says that no holder of the top organization role stays. Of ConditionAdministratorExpires.
	ReasonEveryHolderExpires = "EveryHolderExpires"

	// ReasonOverLimit says that a limit of the rules is exceeded. Of ConditionFiltersTooLarge and ConditionTooManyWindows.
	ReasonOverLimit = "OverLimit"

	// ReasonNameOfAnotherUser says that the object is called what another user is called. Of ConditionNameTaken.
	ReasonNameOfAnotherUser = "NameOfAnotherUser"

	// ReasonChannelFailing says that a channel of the group delivers nothing. Of ConditionNoticesFailing.
	ReasonChannelFailing = "ChannelFailing"

	// ReasonNotDelivered says that a notice to some of the members was refused or given up. Of ConditionNoticesFailing.
	ReasonNotDelivered = "NotDelivered"

	// ReasonTemplateFailing says that the template of a channel fails, and Usher's own words are sent. Of
	// ConditionNoticesFailing.
	ReasonTemplateFailing = "TemplateFailing"

	// ReasonNoAddress says that members have no address that a channel of the group could deliver to. Of
	// ConditionNoticesFailing.
	ReasonNoAddress = "NoAddress"

	// ReasonReviewMissed says that a review is due and the group gives what it gave. Of ConditionReviewDue.
	ReasonReviewMissed = "ReviewMissed"

	// ReasonAccessEnded says that a review is due, and that the group gives only NoAccess until it is reviewed. Of
	// ConditionReviewDue.
	ReasonAccessEnded = "AccessEnded"

	// ReasonRecordFailing says that Usher cannot keep its record of whom it has told what, and so tells nobody. Of
	// ConditionNoticesFailing.
	ReasonRecordFailing = "RecordFailing"
)
