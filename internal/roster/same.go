package roster

import (
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SameObject returns an error unless before and after are one object of the four kinds: of the same kind, namespace and
// name. Either may be nil, for an object that is created or deleted, but not both.
func SameObject(before, after client.Object) error {
	switch {
	case isNil(before) && isNil(after):
		return errors.New("a change needs an object before it or after it; both are missing")
	case isNil(before) || isNil(after):
		return nil
	}
	if was, is := ObjectOf(before), ObjectOf(after); was != is {
		return fmt.Errorf("a change is of one object: the object before it is %s, the object after it is %s", was, is)
	}
	return nil
}
