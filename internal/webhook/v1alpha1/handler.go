package v1alpha1

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
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

// One webhook for all four kinds: they are judged together, and whom it leaves out is said once.
// +kubebuilder:webhook:path=/validate-access-usher-dev-v1alpha1,mutating=false,failurePolicy=fail,sideEffects=None,matchPolicy=Equivalent,timeoutSeconds=10,groups=access.usher.dev,versions=v1alpha1,resources=accessgroups;accesspolicies;applicationaccesses;useraccesses,verbs=create;update;delete,name=access.usher.dev,admissionReviewVersions=v1

// Path is where the webhook is served.
const Path = "/validate-access-usher-dev-v1alpha1"

// timeout leaves of the API server's ten seconds what it takes to hear of it.
const timeout = 9 * time.Second

// Judge says what there is to say about a request. It is the Judge method of a validation.Validator.
type Judge func(ctx context.Context, request *validation.Request) (*validation.Judgement, error)

// Handler answers admission requests.
type Handler struct {
	// Ready is closed when the roster is complete. Before that the answer is an error.
	Ready <-chan struct{}
	// Judge judges by the roster that follows the watch.
	Judge    Judge
	Reviewer *Reviewer
	Live     *Live
	Metrics  *Metrics
	// Requesters, where set, is told who asked for what is admitted.
	Requesters *Requesters
	// Now is the clock.
	Now func() time.Time

	patience time.Duration // of tests; otherwise timeout
}

// within is how long a review may take.
func (h *Handler) within() time.Duration { return cmp.Or(h.patience, timeout) }

// SetupWithManager has the manager's webhook server serve it, behind a gate with the limits.
func (h *Handler) SetupWithManager(mgr ctrl.Manager, limits Limits) {
	mgr.GetWebhookServer().Register(Path, NewGate(h, limits))
}

// Handle answers one request, and counts the answer.
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

// noAnswer says why there is none.
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

// answer is what the requester gets to hear: without errors, a yes.
type answer struct {
	errors   field.ErrorList
	warnings []string
	refused  outcome // why, where there are errors
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

// answer judges the request by the roster. A refusal that rests on more than the object itself is given only where it
// holds for what the API server holds now: the watch may be behind.
func (h *Handler) answer(
	ctx context.Context, user *authenticationv1.UserInfo, request *validation.Request,
) (*answer, error) {
	judgement, err := h.Judge(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("judging the change: %w", err)
	}
	asked := h.Reviewer.For(user)
	given, err := weigh(ctx, judgement, asked)
	if err != nil || len(given.errors) == 0 || len(judgement.Errors) > 0 {
		return given, err
	}
	judgement, err = h.Live.Judge(ctx, request, judgement)
	if err != nil {
		return nil, fmt.Errorf("making sure of a refusal: %w", err)
	}
	return weigh(ctx, judgement, asked)
}

// weigh makes an answer of a judgement, by what the requester may do.
func weigh(ctx context.Context, judgement *validation.Judgement, asked *Asked) (*answer, error) {
	given := &answer{warnings: judgement.Warnings}
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

// response says it to the API server: a refusal is what its own validation would answer.
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
