package v1alpha1

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/validation"
)

// One webhook serves all four kinds: they are judged together, and the exceptions are configured once.
// +kubebuilder:webhook:path=/validate-access-usher-dev-v1alpha1,mutating=false,failurePolicy=fail,sideEffects=None,matchPolicy=Equivalent,timeoutSeconds=10,groups=access.usher.dev,versions=v1alpha1,resources=accessgroups;accesspolicies;applicationaccesses;useraccesses,verbs=create;update;delete,name=access.usher.dev,admissionReviewVersions=v1

// Path is the URL path of the webhook.
const Path = "/validate-access-usher-dev-v1alpha1"

// timeout is one second less than the API server's timeout, so that the answer arrives in time.
const timeout = 9 * time.Second

// Judge judges a request. It is the Judge method of a validation.Validator.
type Judge func(ctx context.Context, request *validation.Request) (*validation.Judgement, error)

// Handler answers admission requests.
type Handler struct {
	// Ready is closed when the roster is complete. Before that, every answer is an error.
	Ready <-chan struct{}
	// Judge judges by the roster that follows the watch.
	Judge    Judge
	Reviewer *Reviewer
	Live     *Live
	Metrics  *Metrics
	// Requesters, if set, records the requesters of admitted changes.
	Requesters *Requesters
	// Now returns the current time.
	Now func() time.Time

	patience time.Duration // set by tests; 0 means timeout
}

// within returns how long a review may take.
func (h *Handler) within() time.Duration { return cmp.Or(h.patience, timeout) }

// SetupWithManager registers the handler with the manager's webhook server, behind a gate with the limits.
func (h *Handler) SetupWithManager(mgr ctrl.Manager, limits Limits) {
	mgr.GetWebhookServer().Register(Path, NewGate(h, limits))
}

// Handle answers one request and counts the answer.
func (h *Handler) Handle(ctx context.Context, review admission.Request) admission.Response {
	response, with := h.handle(ctx, &review)
	h.Metrics.answered(with)
	return response
}

func (h *Handler) handle(ctx context.Context, review *admission.Request) (admission.Response, outcome) {
	select {
	case <-h.Ready:
	default:
		return admission.Errored(http.StatusServiceUnavailable,
			errors.New("the manager does not know all objects yet: try again in a moment")), outcomeError
	}
	ctx, cancel := context.WithTimeout(ctx, h.within())
	defer cancel()
	request, err := h.read(review)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err), outcomeError
	}
	if request == nil {
		return admission.Allowed(""), outcomeAllowed
	}
	given, err := h.bounds(ctx, review, request)
	if err == nil && given == nil {
		given, err = h.answer(ctx, &review.UserInfo, request)
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "no answer")
		return noAnswer(err), outcomeError
	}
	if len(given.errors) == 0 && h.Requesters != nil && (review.DryRun == nil || !*review.DryRun) {
		h.Requesters.note(review.Operation, review.Kind.Kind, request, review.UserInfo.Username)
	}
	return given.response(ctx, review, request), given.outcome()
}

// noAnswer returns the response for a request that could not be judged.
func noAnswer(err error) admission.Response {
	if errors.Is(err, context.DeadlineExceeded) {
		return admission.Errored(http.StatusServiceUnavailable,
			errors.New("the change touches too much to be judged in time: change less at once, or try again when less is going on"))
	}
	if errors.Is(err, errNotStored) {
		return admission.Errored(http.StatusConflict, err)
	}
	return admission.Errored(http.StatusInternalServerError, err)
}

// answer is the result for the requester. Without errors, the request is admitted.
type answer struct {
	errors   field.ErrorList
	warnings []string
	refused  outcome // the reason, if there are errors
}

func (a *answer) outcome() outcome {
	switch {
	case len(a.errors) > 0:
		return a.refused
	case len(a.warnings) > 0:
		return outcomeWarned
	default:
		return outcomeAllowed
	}
}

// answer judges the request by the roster. The watch may be behind, so answer confirms a refusal that depends on
// more than the object itself against the API server. It does the same for warnings if that is quick.
func (h *Handler) answer(
	ctx context.Context, user *authenticationv1.UserInfo, request *validation.Request,
) (*answer, error) {
	judgement, err := h.Judge(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("judging the change: %w", err)
	}
	asked := h.Reviewer.For(user)
	given, err := weigh(ctx, judgement, asked)
	if err != nil || len(judgement.Errors) > 0 {
		return given, err
	}
	if len(given.errors) == 0 {
		if len(given.warnings) == 0 {
			return given, nil
		}
		return weigh(ctx, h.Live.Confirm(ctx, request, judgement), asked)
	}
	judgement, err = h.Live.Judge(ctx, request, judgement)
	if err != nil {
		return nil, fmt.Errorf("making sure of a refusal: %w", err)
	}
	return weigh(ctx, judgement, asked)
}

// weigh turns a judgement into an answer, depending on the rights of the requester.
func weigh(ctx context.Context, judgement *validation.Judgement, asked *Asked) (*answer, error) {
	given := &answer{warnings: append(slices.Clone(judgement.Warnings), asked.told(ctx, judgement.Hints)...)}
	if len(judgement.Errors) > 0 {
		given.errors, given.refused = judgement.Errors, outcomeInvalid
		return given, nil
	}
	missing, err := asked.Missing(ctx, judgement.Rights)
	if err != nil {
		return nil, fmt.Errorf("asking what %s may do: %w", asked.user.Username, err)
	}
	given.errors = append(refusals(missing, asked.user), judgement.Braked...)
	switch {
	case len(missing) > 0:
		given.refused = outcomeForbidden
	case len(judgement.Braked) > 0:
		given.refused = outcomeBraked
	default:
		given.refused = outcomeConflicting
	}
	if len(judgement.Refusals) == 0 {
		return given, nil
	}
	lacking, err := asked.Missing(ctx, []validation.Right{judgement.Exempting})
	if err != nil {
		return nil, fmt.Errorf("asking what %s may do: %w", asked.user.Username, err)
	}
	if len(lacking) > 0 {
		given.errors = append(given.errors, judgement.Refusals...)
		return given, nil
	}
	for _, refusal := range judgement.Refusals {
		given.warnings = append(given.warnings, refusal.Field+": "+refusal.Detail)
	}
	return given, nil
}

// response returns the response to the API server. A refusal looks like one from the API server's own validation.
func (a *answer) response(
	ctx context.Context, review *admission.Request, request *validation.Request,
) admission.Response {
	response := admission.Allowed("").WithWarnings(shorten(a.warnings)...)
	if len(a.errors) == 0 {
		return response
	}
	name := object(request).GetName()
	kind := accessv1alpha1.GroupVersion.WithKind(review.Kind.Kind).GroupKind()
	status := apierrors.NewInvalid(kind, name, limited(a.errors)).Status()
	response.Allowed, response.Result = false, &status
	log.FromContext(ctx).Info("refused", "operation", review.Operation, "kind", review.Kind.Kind,
		"objectName", name, "dryRun", review.DryRun != nil && *review.DryRun, "why", excerpt(status.Message, mostLogged))
	return response
}
