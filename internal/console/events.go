package console

import (
	"fmt"
	"net/http"
	"time"
)

// beat is the interval of the comments that keep a stream open.
const beat = 25 * time.Second

// events streams the versions of the objects. The script asks for the page again when a version differs from that of
// the page.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	// The reading time limit of the server is for requests.
	_ = control.SetReadDeadline(time.Time{})
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		changed := s.backend.Changed()
		_, version := s.backend.World()
		if _, err := fmt.Fprintf(w, "data: %s\n\n", version); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.ended:
			_, _ = fmt.Fprint(w, "event: end\ndata: end\n\n") // the browser may have gone
			return
		case <-ticker.C:
		case <-changed:
		}
	}
}
