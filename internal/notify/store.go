package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Names of the ConfigMaps of a record.
const (
	recordPrefix = "access-notices-"
	indexName    = recordPrefix + "index"
	recordKey    = "record.json"
)

func shardName(shard int) string { return recordPrefix + strconv.Itoa(shard) }

// largest is the maximum size of a ConfigMap of the record. The limit of the API server is 1 MiB.
const largest = 1000 << 10

// store reads and writes records.
type store struct {
	client client.Client
	live   client.Reader
}

// configMaps are the ConfigMaps of a record, by name.
type configMaps map[string]*corev1.ConfigMap

// list returns the ConfigMaps of all records, or of the record of one organization, by organization.
func (s *store) list(ctx context.Context, organization string) (map[string]configMaps, error) {
	const page = 100
	found := map[string]configMaps{}
	for next := ""; ; {
		var list corev1.ConfigMapList
		err := s.live.List(ctx, &list, client.InNamespace(organization), client.Limit(page), client.Continue(next),
			client.MatchingLabels{accessv1alpha1.LabelRecord: accessv1alpha1.RecordNotices})
		if err != nil {
			return nil, fmt.Errorf("reading the record of what users were told: %w", err)
		}
		for i := range list.Items {
			cm := &list.Items[i]
			if !strings.HasPrefix(cm.Name, recordPrefix) {
				continue
			}
			if found[cm.Namespace] == nil {
				found[cm.Namespace] = configMaps{}
			}
			found[cm.Namespace][cm.Name] = cm
		}
		if next = list.Continue; next == "" {
			return found, nil
		}
	}
}

// stored is a record that was read.
type stored struct {
	record *record
	// lost says why the record or some shards could not be read; nil: it is complete, or there is none yet.
	lost error
	// gaps are the shards that could not be read.
	gaps map[int]bool
}

// read decodes a record. Without ConfigMaps, and where the first write was interrupted, the record has not begun.
func read(organization string, found configMaps, now time.Time) *stored {
	s := &stored{record: newRecord(organization, 1, now), gaps: map[int]bool{}}
	if len(found) > 0 {
		var known index
		s.lost = found.decode(organization, indexName, func(text []byte) (err error) {
			known, err = decodeIndex(text)
			return err
		})
		if s.lost == nil {
			s.record = newRecord(organization, known.Shards, now)
		}
		if s.lost == nil && known.Begun {
			s.readShards(known, found)
		}
	}
	for name, cm := range found {
		s.record.versions[name] = cm.ResourceVersion
	}
	return s
}

func (s *stored) readShards(known index, found configMaps) {
	s.record.index = known
	var failures []error
	for shard := range known.Shards {
		err := found.decode(s.record.organization, shardName(shard), func(text []byte) error {
			return s.record.decodeShard(shard, text)
		})
		if err != nil {
			failures = append(failures, err)
			s.gaps[shard] = true
		}
	}
	s.lost = errors.Join(failures...)
}

var errMissing = errors.New("it is missing")

func (c configMaps) decode(organization, name string, with func(text []byte) error) error {
	err := errMissing
	if cm := c[name]; cm != nil {
		err = with([]byte(cm.Data[recordKey]))
	}
	if err != nil {
		return fmt.Errorf("ConfigMap %s/%s: %w", organization, name, err)
	}
	return nil
}

// begin writes a record for the first time. An interrupted first write can be told from a lost record.
func (s *store) begin(ctx context.Context, r *record) error {
	r.split(shardsFor(r.size()))
	clear(r.dirty)
	parts := []int{indexPart}
	for shard := range r.shards {
		parts = append(parts, shard)
	}
	if err := s.write(ctx, r, parts...); err != nil {
		return err
	}
	r.index.Begun = true
	err := s.write(ctx, r, indexPart)
	r.index.Begun = err == nil
	return err
}

// grow distributes the users over more shards. It writes the new shards first, then the index, and leaves the old shards
// to be written: wherever it is interrupted, each user is in one of the shards that the index counts.
func (s *store) grow(ctx context.Context, r *record) error {
	old, parts := r.index.Shards, []int{}
	r.split(shardsFor(r.size()))
	for shard := old; shard < r.index.Shards; shard++ {
		parts = append(parts, shard)
	}
	if err := s.write(ctx, r, append(parts, indexPart)...); err != nil {
		r.split(old)
		return err
	}
	clear(r.dirty)
	for shard := range old {
		r.dirty[shard] = struct{}{}
	}
	return nil
}

// tooFull is how many times usersPerShard a shard may have before the record grows.
const tooFull = 4

// save writes the record for the first time, or what has changed in it.
func (s *store) save(ctx context.Context, r *record) error {
	if !r.index.Begun {
		return s.begin(ctx, r)
	}
	return s.flush(ctx, r)
}

// flush writes the parts that have changed. If it fails, the remaining parts stay marked.
func (s *store) flush(ctx context.Context, r *record) error {
	if r.size() > tooFull*usersPerShard*r.index.Shards && shardsFor(r.size()) > r.index.Shards {
		if err := s.grow(ctx, r); err != nil {
			return err
		}
	}
	return s.write(ctx, r, slices.Sorted(maps.Keys(r.dirty))...)
}

// errForeign is the error about a ConfigMap of somebody else.
var errForeign = errors.New("it has the name of Usher's record of notices but is not Usher's: rename or delete it")

// write writes parts of a record. A ConfigMap that somebody else has written since is a conflict: it may have been another
// leader.
func (s *store) write(ctx context.Context, r *record, parts ...int) error {
	for _, part := range parts {
		name := indexName
		if part != indexPart {
			name = shardName(part)
		}
		text, err := r.encode(part)
		if err != nil {
			return err
		}
		if len(text) > largest {
			return fmt.Errorf("ConfigMap %s/%s would have %d bytes, more than %d: too many users differ in their access",
				r.organization, name, len(text), largest)
		}
		cm := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: r.organization, Name: name, ResourceVersion: r.versions[name],
				Labels: map[string]string{
					accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy,
					accessv1alpha1.LabelRecord:    accessv1alpha1.RecordNotices,
				},
			},
			Data: map[string]string{recordKey: string(text)},
		}
		if err := s.writeConfigMap(ctx, cm); err != nil {
			return fmt.Errorf("writing ConfigMap %s/%s: %w", r.organization, name, err)
		}
		r.versions[name] = cm.ResourceVersion
		delete(r.dirty, part)
	}
	return nil
}

func (s *store) writeConfigMap(ctx context.Context, cm *corev1.ConfigMap) error {
	if cm.ResourceVersion != "" {
		if err := s.client.Update(ctx, cm); !apierrors.IsNotFound(err) {
			return err
		}
		cm.ResourceVersion, cm.UID = "", ""
	}
	if err := s.client.Create(ctx, cm); !apierrors.IsAlreadyExists(err) {
		return err
	}
	live := &corev1.ConfigMap{}
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(cm), live); err != nil {
		return err
	}
	if live.Labels[accessv1alpha1.LabelRecord] != accessv1alpha1.RecordNotices {
		return errForeign
	}
	return apierrors.NewConflict(corev1.Resource("configmaps"), cm.Name, errors.New("another leader has written it"))
}

// remove deletes the record. It first marks the record as not begun and deletes the index last, so that the rest of an
// interrupted removal does not count as lost.
func (s *store) remove(ctx context.Context, r *record) error {
	r.index.Begun = false
	if err := s.write(ctx, r, indexPart); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.versions)) { // digits sort before the name of the index
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.organization, Name: name}}
		version := r.versions[name]
		err := s.client.Delete(ctx, cm, client.Preconditions{ResourceVersion: &version})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing ConfigMap %s/%s: %w", r.organization, name, err)
		}
		delete(r.versions, name)
	}
	return nil
}
