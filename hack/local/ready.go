package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/usher-dev/usher/api/v1alpha1"
)

const (
	samplesTimeout = time.Minute
	shownWaiting   = 5
)

// kinds are the kinds whose objects become Ready.
var kinds = map[string]string{
	"AccessGroup":       "accessgroups",
	"AccessPolicy":      "accesspolicies",
	"ApplicationAccess": "applicationaccesses",
	"UserAccess":        "useraccesses",
}

type objectKey struct{ kind, namespace, name string }

func (k objectKey) String() string { return k.kind + " " + k.namespace + "/" + k.name }

type objectKeys []objectKey

// keysOf returns the keys of Usher's objects among the applied objects.
func keysOf(applied []unstructured.Unstructured) objectKeys {
	var keys objectKeys
	for _, object := range applied {
		if object.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
			keys = append(keys, objectKey{kind: object.GetKind(), namespace: object.GetNamespace(), name: object.GetName()})
		}
	}
	return keys
}

// systemNamespace is the namespace above all organizations.
const systemNamespace = "access-system"

// organizations returns the namespaces of the objects without the system namespace, sorted.
func (keys objectKeys) organizations() []string {
	var names []string
	for _, key := range keys {
		if key.namespace != systemNamespace {
			names = append(names, key.namespace)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// missing returns the keys that are not Ready, with the reasons.
func (keys objectKeys) missing(reasons map[objectKey]string) []string {
	var missing []string
	for _, key := range keys {
		reason, found := reasons[key]
		if !found {
			reason = "does not exist"
		}
		if reason != "" {
			missing = append(missing, key.String()+" "+reason)
		}
	}
	slices.Sort(missing)
	return missing
}

// everyUser returns the UserAccess objects that are not Ready, with the reasons.
func everyUser(reasons map[objectKey]string) []string {
	var keys objectKeys
	for key := range reasons {
		if key.kind == "UserAccess" {
			keys = append(keys, key)
		}
	}
	return keys.missing(reasons)
}

// waitReady waits until missing returns nothing for the state of the cluster. It returns an error when the manager is
// no longer alive.
func waitReady(
	ctx context.Context, config *rest.Config, what string,
	missing func(map[objectKey]string) []string, alive func() error, steps *steps,
) error {
	steps.say("waiting until %s", what)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	var waiting []string
	said := time.Now()
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, samplesTimeout, true,
		func(ctx context.Context) (bool, error) {
			if err := alive(); err != nil {
				return false, err
			}
			reasons, err := unready(ctx, client)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if err != nil {
				return false, err
			}
			waiting = missing(reasons)
			if len(waiting) > 0 && time.Since(said) > 5*time.Second {
				said = time.Now()
				steps.say("still waiting for %s", summary(waiting))
			}
			return len(waiting) == 0, nil
		})
	if err != nil && len(waiting) > 0 {
		err = errors.Join(err, errors.New("not Ready: "+summary(waiting)))
	}
	if err != nil {
		return fmt.Errorf("wait until %s: %w", what, err)
	}
	return nil
}

func summary(lines []string) string {
	if more := len(lines) - shownWaiting; more > 0 {
		return strings.Join(lines[:shownWaiting], "; ") + fmt.Sprintf("; and %d more", more)
	}
	return strings.Join(lines, "; ")
}

// unready returns, for every object of Usher's kinds, the reason why it is not Ready, or "".
func unready(ctx context.Context, client dynamic.Interface) (map[objectKey]string, error) {
	reasons := map[objectKey]string{}
	for kind, resource := range kinds {
		list, err := client.Resource(v1alpha1.GroupVersion.WithResource(resource)).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource, err)
		}
		for _, object := range list.Items {
			reason, err := unreadyReason(object)
			if err != nil {
				return nil, err
			}
			reasons[objectKey{kind: kind, namespace: object.GetNamespace(), name: object.GetName()}] = reason
		}
	}
	return reasons, nil
}

func unreadyReason(object unstructured.Unstructured) (string, error) {
	var typed struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
		return "", fmt.Errorf("read the status of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	ready := meta.FindStatusCondition(typed.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return "has no Ready condition yet", nil
	case ready.ObservedGeneration != object.GetGeneration():
		return "has a Ready condition of an earlier generation", nil
	case ready.Status != metav1.ConditionTrue:
		return strings.TrimSpace(cmp.Or(ready.Reason, "is not Ready") + " " + ready.Message), nil
	default:
		return "", nil
	}
}
