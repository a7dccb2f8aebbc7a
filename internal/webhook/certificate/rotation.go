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

// The one Secret is shipped empty: a right to create cannot be limited to a name.
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,resourceNames=usher-webhook-certificate,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=usher-validating-webhook-configuration,verbs=get;list;watch;patch

const (
	// longestRest bounds how late a change of the clock is noticed.
	longestRest = 12 * time.Hour
	// soonest keeps a validity of seconds, as in tests, from becoming a busy loop.
	soonest = 100 * time.Millisecond
)

// Rotation renews what the Secret holds, and has the webhook configuration trust it. It runs on the leader only, so that
// two replicas of different versions do not renew for each other.
type Rotation struct {
	Client client.Client
	Issuer Issuer
	// Secret and Configuration say where they are.
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

// always has everything that is watched looked at together.
func always(key client.ObjectKey) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: key}}
	})
}

// Reconcile renews what is due and extends the bundle. It returns when to look again.
func (r *Rotation) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	now := r.Now()
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, r.Secret, secret); err != nil {
		return ctrl.Result{}, fmt.Errorf("reading Secret %s, which the installation makes: %w", r.Secret, err)
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
		log.FromContext(ctx).Info("renewed the certificate of the webhooks", "secret", r.Secret, "next", due)
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
		return fmt.Errorf("reading ValidatingWebhookConfiguration %s, which the installation makes: %w", r.Configuration, err)
	}
	made := found.DeepCopy()
	changed := false
	for i := range made.Webhooks {
		bundle := &made.Webhooks[i].ClientConfig.CABundle
		extended := extend(*bundle, authority, now)
		changed = changed || string(extended) != string(*bundle)
		*bundle = extended
	}
	if !changed {
		return nil
	}
	// A patch, so that fields of a newer API server stay.
	patch := client.StrategicMergeFrom(found, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, made, patch); err != nil {
		return fmt.Errorf("putting the authority into ValidatingWebhookConfiguration %s: %w", r.Configuration, err)
	}
	log.FromContext(ctx).Info("the webhook configuration trusts the authority", "configuration", r.Configuration)
	return nil
}

// retried looks again soon where the cache was behind: that is no error to tell anybody.
func retried(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: soonest}, nil
	}
	return ctrl.Result{}, err
}

// controllerOptions let every replica run a controller.
func controllerOptions() controller.Options {
	return controller.Options{NeedLeaderElection: new(false)}
}
