package fault_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

var _ = Describe("The shards of an application", func() {
	It("may grow and shrink while access changes and the manager is killed", func(ctx SpecContext) {
		m := newManager(ctx)
		formats := []accessv1alpha1.PublishFormat{
			accessv1alpha1.PublishFormatCSV, accessv1alpha1.PublishFormatCasbin, accessv1alpha1.PublishFormatOPA,
		}
		for range brief(1, 3) {
			r := begin(ctx)
			var shards []int32
			for range brief(4, 8) {
				minimum := int32(1) << all.random.IntN(4)
				shards = append(shards, minimum)
				from, _ := seen.written()
				r.change(ctx, all.shards(waveApplication, minimum, formats[:all.random.IntN(len(formats)+1)]...))
				r.change(ctx, all.changeOf(wave))
				awaitWrites(ctx, from+2+all.random.IntN(10))
			}
			m.kill()
			m.start(ctx)
			r.end(ctx)
			say("one document in %d shards", shards)
		}
	}, SpecTimeout(5*time.Minute))
})
