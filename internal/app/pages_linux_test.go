package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDropProgramPages(t *testing.T) {
	if err := dropProgramPages(); err != nil {
		t.Error(err)
	}
}

func TestProgramMappings(t *testing.T) {
	const smaps = `00400000-00500000 r-xp 00000000 08:01 1                          /usher
Rss:                 900 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00500000-00600000 r--p 00100000 08:01 1                          /usher
Anonymous:             0 kB
00600000-00700000 r--p 00200000 08:01 1                          /usher
Anonymous:             4 kB
00700000-00800000 rw-p 00300000 08:01 1                          /usher
Anonymous:             0 kB
00800000-00900000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000100000 r-xp 00000000 08:01 2                  /libc.so
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x500000}, {0x500000, 0x600000}}
	if diff := cmp.Diff(want, programMappings(smaps, "/usher"), cmp.AllowUnexported(mapping{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
