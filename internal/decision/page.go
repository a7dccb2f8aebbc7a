package decision

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// defaultLimit and mostResults are the default and the maximum number of results on one page.
	defaultLimit = 100
	mostResults  = 1000

	digestBytes = 16
	limitBytes  = 2
)

var errOtherToken = errors.New("page.token does not belong to this question: ask without a token, or with the entities, the " +
	"organization and the limit of the question that it answers")

// pageOf returns the page that a request asks for. A token contains a digest of its question, the limit, and the
// last result before the page. It does not refer to any state of the server, so every replica accepts it.
func pageOf(r *pageRequest, question [digestBytes]byte) (Page, error) {
	p := Page{First: true, Limit: defaultLimit}
	if r == nil {
		return p, nil
	}
	if err := isObject("page.properties", r.Properties); err != nil {
		return Page{}, err
	}
	if r.Limit != nil {
		if *r.Limit < 0 {
			return Page{}, fmt.Errorf("page.limit is %d: must be 0 or more", *r.Limit)
		}
		p.Limit = min(*r.Limit, mostResults)
	}
	if r.Token == nil || *r.Token == "" {
		return p, nil
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(*r.Token)
	if err != nil || len(token) < digestBytes+limitBytes || !bytes.Equal(token[:digestBytes], question[:]) {
		return Page{}, errOtherToken
	}
	limit := int(binary.BigEndian.Uint16(token[digestBytes:]))
	if limit > mostResults || (r.Limit != nil && p.Limit != limit) {
		return Page{}, errOtherToken
	}
	return Page{After: string(token[digestBytes+limitBytes:]), Limit: limit}, nil
}

// next returns the token of the next page after the results.
func (p *Page) next(question [digestBytes]byte, results []string) string {
	after := p.After
	if len(results) > 0 {
		after = results[len(results)-1]
	}
	token := binary.BigEndian.AppendUint16(question[:], uint16(p.Limit))
	return base64.RawURLEncoding.EncodeToString(append(token, after...))
}

// digest returns a digest of everything that the results of a search depend on.
func digest(parts ...string) [digestBytes]byte {
	hash := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		hash.Write(size[:])
		hash.Write([]byte(part))
	}
	return [digestBytes]byte(hash.Sum(nil)[:digestBytes])
}
