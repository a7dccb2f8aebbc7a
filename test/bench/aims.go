package main

// Aims, as docs/scale.md lists them. An aim without a comment is a ratio to the bare client.
const (
	fanOutAim = 1.05
	// revokeAim holds for groups of up to revokeSmall members, and revokeLargeAim for larger ones.
	revokeAim, revokeLargeAim = 1.5, 2
	revokeSmall               = 500
	restartAim                = 1.2
	// memoryAim is in MiB for 1,000 further users.
	memoryAim = 12
	// singleAim holds at S and M, and singleLargeAim at L. singleTailAim is for the 99th percentile.
	singleAim, singleLargeAim, singleTailAim = 1.5, 2, 6
	// The aims of admission are against the same edits without webhooks: of one member, and of as many members as the
	// largest group has.
	admissionAim, admissionLargeAim = 1.2, 1.5
	// contentionAim is the 99th percentile beside large reviews against the quiet one.
	contentionAim = 3
	resolveAim    = 1.5
)

// revokeAimOf returns the aim for a group with so many members.
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
