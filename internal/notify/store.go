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

// largest is how many bytes a ConfigMap of the record may have: the API server takes a MiB.
const largest = 1000 << 10

// store reads and writes records.
type store struct {
	client client.Client
	live   client.Reader
}

// stored is a record as it was found.
type stored struct {
	record *record
	// lost says why some of it, or all, could not be read; nil: nothing is missing, or there never was one.
	lost error
	// gaps are the shards that could not be read.
	gaps map[int]struct{}
}

// list reads all records, or where an organization is named that one.
func (s *store) list(ctx context.Context, organization string) (map[string]map[string]*corev1.ConfigMap, error) {
	found := map[string]map[string]*corev1.ConfigMap{}
	options := []client.ListOption{
		client.MatchingLabels{accessv1alpha1.LabelRecord: accessv1alpha1.RecordNotices}, client.InNamespace(organization),
	}
	const page = 100
	var list corev1.ConfigMapList
	for next := ""; ; next = list.Continue {
		list = corev1.ConfigMapList{}
		if err := s.live.List(ctx, &list, append(options, client.Limit(page), client.Continue(next))...); err != nil {
			return nil, fmt.Errorf("reading whom Usher has told what: %w", err)
		}
		for i := range list.Items {
			cm := &list.Items[i]
			if !strings.HasPrefix(cm.Name, recordPrefix) {
				continue
			}
			if found[cm.Namespace] == nil {
				found[cm.Namespace] = map[string]*corev1.ConfigMap{}
			}
			found[cm.Namespace][cm.Name] = cm
		}
		if list.Continue == "" {
			return found, nil
		}
	}
}

// read makes a record of its ConfigMaps. Without any it is the first run: a record that has not begun.
func read(organization string, found map[string]*corev1.ConfigMap, now time.Time) *stored {
	s := &stored{record: newRecord(organization, 1, now), gaps: map[int]struct{}{}}
	for name, cm := range found {
		s.record.versions[name] = cm.ResourceVersion
	}
	if len(found) == 0 {
		return s
	}
	versions := s.record.versions
	i := found[indexName]
	if i == nil {
		s.lost = fmt.Errorf("ConfigMap %s/%s is missing", organization, indexName)
		return s
	}
	made, err := decodeIndex([]byte(i.Data[recordKey]))
	if err != nil {
		s.lost = fmt.Errorf("ConfigMap %s/%s: %w", organization, indexName, err)
		return s
	}
	s.record = newRecord(organization, made.Shards, now)
	s.record.versions = versions
	if !made.Begun {
		return s // it was interrupted while it was written for the first time
	}
	s.record.index = made
	var failures []error
	for shard := range made.Shards {
		if err := s.readShard(shard, found[shardName(shard)]); err != nil {
			failures = append(failures, err)
			s.gaps[shard] = struct{}{}
		}
	}
	s.lost = errors.Join(failures...)
	return s
}

func (s *stored) readShard(shard int, cm *corev1.ConfigMap) error {
	if cm == nil {
		return fmt.Errorf("ConfigMap %s/%s is missing", s.record.organization, shardName(shard))
	}
	if err := s.record.decodeShard(shard, []byte(cm.Data[recordKey])); err != nil {
		return fmt.Errorf("ConfigMap %s/%s: %w", cm.Namespace, cm.Name, err)
	}
	return nil
}

// begin writes a record for the first time: a start that was interrupted can be told from a record that was lost.
func (s *store) begin(ctx context.Context, r *record) error {
	r.split(shardsFor(r.size()))
	r.index.Begun = false
	if err := s.writeIndex(ctx, r); err != nil {
		return err
	}
	for shard := range r.shards {
		if err := s.writeShard(ctx, r, shard); err != nil {
			return err
		}
	}
	r.index.Begun = true
	clear(r.dirty)
	return s.writeIndex(ctx, r)
}

// grow distributes the users over more shards. New shards are written first, then the index, then those that users have
// left: whatever is interrupted, every user is in one of the shards that the index counts.
func (s *store) grow(ctx context.Context, r *record) error {
	before := r.index.Shards
	r.split(shardsFor(r.size()))
	for shard := before; shard < r.index.Shards; shard++ {
		if err := s.writeShard(ctx, r, shard); err != nil {
			r.split(before)
			return err
		}
	}
	if err := s.writeIndex(ctx, r); err != nil {
		r.split(before)
		return err
	}
	clear(r.dirty)
	for shard := range before {
		r.dirty[shard] = struct{}{}
	}
	return nil
}

// tooFull is how many times as many users as meant a shard may have before there are more shards.
const tooFull = 4

// flush writes what has changed. Where it fails, what was not written stays to be written.
func (s *store) flush(ctx context.Context, r *record) error {
	if r.size() > tooFull*usersPerShard*r.index.Shards && shardsFor(r.size()) > r.index.Shards {
		if err := s.grow(ctx, r); err != nil {
			return err
		}
	}
	for _, shard := range slices.Sorted(maps.Keys(r.dirty)) {
		if err := s.writeShard(ctx, r, shard); err != nil {
			return err
		}
		delete(r.dirty, shard)
	}
	if !r.indexDirty {
		return nil
	}
	return s.writeIndex(ctx, r)
}

func (s *store) writeIndex(ctx context.Context, r *record) error {
	text, err := r.encodeIndex()
	if err != nil {
		return err
	}
	if err := s.write(ctx, r, indexName, text); err != nil {
		return err
	}
	r.indexDirty = false
	return nil
}

func (s *store) writeShard(ctx context.Context, r *record, shard int) error {
	text, err := r.encodeShard(shard)
	if err != nil {
		return err
	}
	return s.write(ctx, r, shardName(shard), text)
}

// errForeign says that somebody else's ConfigMap has a name of the record.
var errForeign = errors.New("it has the name of Usher's record of notices but is not Usher's: rename or delete it")

// write makes the ConfigMap be so. One that somebody else has written meanwhile is a conflict: it may have been another
// leader.
func (s *store) write(ctx context.Context, r *record, name string, text []byte) error {
	if len(text) > largest {
		return fmt.Errorf("ConfigMap %s/%s would have %d bytes and may have %d: too many users have an access of their own",
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
	var err error
	if cm.ResourceVersion == "" {
		err = s.client.Create(ctx, cm)
	} else if err = s.client.Update(ctx, cm); apierrors.IsNotFound(err) {
		cm.ResourceVersion, cm.UID = "", ""
		err = s.client.Create(ctx, cm)
	}
	if apierrors.IsAlreadyExists(err) {
		err = s.taken(ctx, cm)
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s/%s: %w", r.organization, name, err)
	}
	r.versions[name] = cm.ResourceVersion
	return nil
}

// taken says what it means that there is one of the name.
func (s *store) taken(ctx context.Context, cm *corev1.ConfigMap) error {
	live := &corev1.ConfigMap{}
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(cm), live); err != nil {
		return err
	}
	if live.Labels[accessv1alpha1.LabelRecord] != accessv1alpha1.RecordNotices {
		return errForeign
	}
	return apierrors.NewConflict(corev1.Resource("configmaps"), cm.Name, errors.New("it was written meanwhile"))
}

// remove takes the record away: nobody is to be told of anything. It is marked first, so that what an interruption leaves
// does not count as lost, and the mark goes last.
func (s *store) remove(ctx context.Context, r *record) error {
	r.index.Begun = false
	if err := s.writeIndex(ctx, r); err != nil {
		return err
	}
	for name := range r.versions {
		if name == indexName {
			continue
		}
		if err := s.delete(ctx, r, name); err != nil {
			return err
		}
	}
	return s.delete(ctx, r, indexName)
}

func (s *store) delete(ctx context.Context, r *record, name string) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.organization, Name: name}}
	version := r.versions[name]
	err := s.client.Delete(ctx, cm, client.Preconditions{ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing ConfigMap %s/%s: %w", r.organization, name, err)
	}
	delete(r.versions, name)
	return nil
}
