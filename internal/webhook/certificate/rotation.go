package certificate

import (
	"context"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The installation creates the Secret empty, because RBAC cannot limit the create permission to one name.
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,resourceNames=usher-webhook-certificate,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=usher-validating-webhook-configuration,verbs=get;list;watch;patch

const (
	// longestRest bounds the time until a change of the clock is noticed.
	longestRest = 12 * time.Hour
	// soonest prevents a busy loop if the validity is a few seconds, as in tests.
	soonest = 100 * time.Millisecond
)

// Rotation renews the content of the Secret and adds its authority to the webhook configuration. It runs on the leader
// only, so that two replicas with different versions do not undo each other's renewals.
type Rotation struct {
	Client client.Client
	Issuer Issuer
	// Secret and Configuration name the objects.
	Secret        client.ObjectKey
	Configuration string
	// Now is the clock.
	Now func() time.Time
}

// SetupWithManager adds the rotation to the manager.
func (r *Rotation) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("webhook-certificate-rotation").
		Watches(&corev1.Secret{}, always(r.Secret)).
		Watches(&admissionregistrationv1.ValidatingWebhookConfiguration{}, always(r.Secret)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("adding the rotation of the webhook certificate: %w", err)
	}
	return nil
}

// always maps every watched object to one request.
func always(key client.ObjectKey) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: key}}
	})
}

// Reconcile renews what is due and extends the bundle. It requeues itself for the next renewal.
func (r *Rotation) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	now := r.Now()
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, r.Secret, secret); err != nil {
		return ctrl.Result{}, fmt.Errorf("reading Secret %s, which the installation creates: %w", r.Secret, err)
	}
	data, issued, err := r.Issuer.Renew(secret.Data, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if issued {
		secret = secret.DeepCopy()
		secret.Data = data
		if err := r.Client.Update(ctx, secret); err != nil {
			return retried(fmt.Errorf("renewing Secret %s: %w", r.Secret, err))
		}
	}
	due, err := r.Issuer.Due(data)
	if err != nil {
		return ctrl.Result{}, err
	}
	if issued {
		log.FromContext(ctx).Info("Renewed the certificate of the webhooks", "secret", r.Secret, "next", due)
	}
	if err := r.inject(ctx, data, now); err != nil {
		return retried(err)
	}
	return ctrl.Result{RequeueAfter: min(max(due.Sub(now), soonest), longestRest)}, nil
}

func (r *Rotation) inject(ctx context.Context, data map[string][]byte, now time.Time) error {
	authority, err := firstCertificate(data[authorityKey])
	if err != nil {
		return err
	}
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: r.Configuration}, found); err != nil {
		return fmt.Errorf("reading ValidatingWebhookConfiguration %s, which the installation creates: %w", r.Configuration, err)
	}
	updated := found.DeepCopy()
	changed := false
	for i := range updated.Webhooks {
		bundle := &updated.Webhooks[i].ClientConfig.CABundle
		extended := extend(*bundle, authority, now)
		changed = changed || string(extended) != string(*bundle)
		*bundle = extended
	}
	if !changed {
		return nil
	}
	// A patch preserves fields of a newer API server.
	patch := client.StrategicMergeFrom(found, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, updated, patch); err != nil {
		return fmt.Errorf("adding the authority to ValidatingWebhookConfiguration %s: %w", r.Configuration, err)
	}
	log.FromContext(ctx).Info("The webhook configuration trusts the authority", "configuration", r.Configuration)
	return nil
}

// retried requeues soon if the cache was stale, instead of returning an error.
func retried(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: soonest}, nil
	}
	return ctrl.Result{}, err
}

// controllerOptions makes a controller run on every replica.
func controllerOptions() controller.Options {
	return controller.Options{NeedLeaderElection: new(false)}
}
