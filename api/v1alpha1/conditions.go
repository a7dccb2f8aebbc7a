package v1alpha1

// Condition types.
const (
	// ConditionReady is true if all changes of this generation of the object are published, and every reference in it
	// resolves. Every kind has it.
	ConditionReady = "Ready"

	// ConditionResolvedRefs is false while the object names a role, group or channel that does not exist.
	ConditionResolvedRefs = "ResolvedRefs"

	// ConditionRoleConflict is true while grants of different sources give a user different roles in one scope, and
	// this object is one of the sources.
	ConditionRoleConflict = "RoleConflict"

	// ConditionStalled is present, and true, only while the object has a problem that waiting does not fix. References
	// to objects that do not exist count as such a problem after two minutes.
	ConditionStalled = "Stalled"

	// ConditionSystemRoleUnmapped is present, and true, only while a system role that someone holds in the organization
	// maps to a role that is not on the organization's ladder. It is set on the AccessPolicy.
	ConditionSystemRoleUnmapped = "SystemRoleUnmapped"

	// ConditionAdministratorExpires is present, and true, only while every holder of the top organization role has an
	// end. It is set on the AccessPolicy.
	ConditionAdministratorExpires = "AdministratorExpires"

	// ConditionFiltersTooLarge is present, and true, only while the row-level filters of a user in one organization are
	// larger together than docs/rules.md R7 allows, so that the user sees no row of some applications. It is set on the
	// user's UserAccess and on every AccessGroup that contributes filters.
	ConditionFiltersTooLarge = "FiltersTooLarge"

	// ConditionTooManyWindows is present, and true, only while more windows affect an entry than Usher evaluates
	// exactly for notAfter. It is set on the user's UserAccess.
	ConditionTooManyWindows = "TooManyWindows"

	// ConditionNameTaken is present, and true, only while this object has the name that the materialized UserAccess of
	// another user needs. It is set on the UserAccess.
	ConditionNameTaken = "NameTaken"

	// ConditionNoticesFailing is present, and true, only while notices to members of the group fail. It is set on the
	// AccessGroup.
	ConditionNoticesFailing = "NoticesFailing"

	// ConditionReviewDue is present, and true, from the instant at which a review of the group is due, until reviewedAt
	// shows that it was made. It is set on the AccessGroup.
	ConditionReviewDue = "ReviewDue"
)

// Reasons of ConditionReady.
const (
	// ReasonPublished says that this generation is published to workloads.
	ReasonPublished = "Published"

	// ReasonPublishing says that some documents of this generation are not published yet.
	ReasonPublishing = "Publishing"

	// ReasonUnresolvedReferences says that the object names an object that does not exist. It is also a reason of
	// ConditionResolvedRefs and, after two minutes, of ConditionStalled.
	ReasonUnresolvedReferences = "UnresolvedReferences"

	// ReasonPublishFailed says that a document of this object cannot be written, for example because of a quota or
	// because the namespace is being deleted.
	ReasonPublishFailed = "PublishFailed"

	// ReasonLossNotPublished says that this object removes access, and that a document which still gives the access
	// cannot be written.
	ReasonLossNotPublished = "LossNotPublished"

	// ReasonDocumentTooLarge says that an application document omits users because their entries do not fit into its
	// shards.
	ReasonDocumentTooLarge = "DocumentTooLarge"
)

// Reasons of ConditionStalled, and of ConditionReady while stalled.
const (
	// ReasonWrongNamespace says that a System group is outside the system namespace, or an Organization group inside
	// it.
	ReasonWrongNamespace = "WrongNamespace"

	// ReasonNotAnOrganization says that the object's namespace is not selected as an organization.
	ReasonNotAnOrganization = "NotAnOrganization"

	// ReasonDuplicateUser says that another UserAccess of the namespace counts for the user.
	ReasonDuplicateUser = "DuplicateUser"

	// ReasonConfigMapConflict says that a ConfigMap that does not belong to Usher has the name of a document.
	ReasonConfigMapConflict = "ConfigMapConflict"
)

// Reasons of the other conditions.
const (
	// ReasonResolved says that all objects that the object names exist. Of ConditionResolvedRefs.
	ReasonResolved = "Resolved"

	// ReasonConflicts says that there are conflicts. Of ConditionRoleConflict.
	ReasonConflicts = "Conflicts"

	// ReasonNoConflicts says that there are none. Of ConditionRoleConflict.
	ReasonNoConflicts = "NoConflicts"

	// ReasonExclusiveAccess says that a rule of exclusive access removed roles. Of ConditionRoleConflict.
	ReasonExclusiveAccess = "ExclusiveAccess"

	// ReasonRoleNotOnLadder says that a system role maps to a role that the organization's ladder does not have. Of
	// ConditionSystemRoleUnmapped.
	ReasonRoleNotOnLadder = "RoleNotOnLadder"

	// ReasonEveryHolderExpires says that every holder of the top organization role loses it at some time. Of
	// ConditionAdministratorExpires.
	ReasonEveryHolderExpires = "EveryHolderExpires"

	// ReasonOverLimit says that a limit of the rules is exceeded. Of ConditionFiltersTooLarge and ConditionTooManyWindows.
	ReasonOverLimit = "OverLimit"

	// ReasonNameOfAnotherUser says that the object has the generated name of another user. Of ConditionNameTaken.
	ReasonNameOfAnotherUser = "NameOfAnotherUser"

	// ReasonChannelFailing says that a channel of the group cannot deliver. Of ConditionNoticesFailing.
	ReasonChannelFailing = "ChannelFailing"

	// ReasonNotDelivered says that a notice to some of the members was refused or dropped. Of ConditionNoticesFailing.
	ReasonNotDelivered = "NotDelivered"

	// ReasonTemplateFailing says that the template of a channel fails, and that Usher sends its own text. Of
	// ConditionNoticesFailing.
	ReasonTemplateFailing = "TemplateFailing"

	// ReasonNoAddress says that members have no address that a channel of the group could deliver to. Of
	// ConditionNoticesFailing.
	ReasonNoAddress = "NoAddress"

	// ReasonReviewMissed says that a review is due, and that the grants of the group do not change. Of
	// ConditionReviewDue.
	ReasonReviewMissed = "ReviewMissed"

	// ReasonAccessEnded says that a review is due, and that the group gives only NoAccess until it is reviewed. Of
	// ConditionReviewDue.
	ReasonAccessEnded = "AccessEnded"

	// ReasonRecordFailing says that Usher cannot write its record of sent notices, and therefore sends none. Of
	// ConditionNoticesFailing.
	ReasonRecordFailing = "RecordFailing"
)
