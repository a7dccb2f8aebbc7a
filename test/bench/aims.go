package main

// The aims in docs/scale.md. An aim without a comment is a ratio to the bare client.
const (
	fanOutAim = 1.05
	// revokeAim is for groups of up to revokeSmall members, and revokeLargeAim for larger ones.
	revokeAim, revokeLargeAim = 1.5, 2
	revokeSmall               = 500
	restartAim                = 1.2
	// memoryAim is in MiB for each 1,000 additional users.
	memoryAim = 12
	// singleAim is for sizes S and M, and singleLargeAim for L. singleTailAim is for the 99th percentile.
	singleAim, singleLargeAim, singleTailAim = 1.5, 2, 6
	// The aims of admission are ratios to the same edits without webhooks: of one member, and of as many members as the
	// largest group has.
	admissionAim, admissionLargeAim = 1.2, 1.5
	// contentionAim is the ratio of the 99th percentile with large reviews to that without.
	contentionAim = 3
	resolveAim    = 1.5
	// The aims of the decision point: the rate against the bare handler and against OPA, the time of an item of a batch
	// against that of a single question, the 99th percentile during a fan-out against that before it, and the time until
	// a deleted group is denied against the watch event.
	bareAim, opaAim, itemAim, fanOutTailAim, denyAim = 0.7, 5, 0.1, 3, 3
	// The aims of the sidecar: against the watch event, and its resident memory in MiB.
	followAim, followMemoryAim = 2, 32
)

// revokeAimOf returns the aim for a group with that many members.
func revokeAimOf(members int) float64 {
	if members > revokeSmall {
		return revokeLargeAim
	}
	return revokeAim
}

// singleAimOf returns the aim for one member at a size.
func singleAimOf(s size) float64 {
	if s.Name == "L" {
		return singleLargeAim
	}
	return singleAim
}
