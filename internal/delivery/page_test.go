package delivery

import (
	"os"
	"path/filepath"
	"testing"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// USHER_MAILS=DIR writes the HTML of every kind of mail to DIR, to view it in a browser.
func TestMailsToLookAt(t *testing.T) {
	directory := os.Getenv("USHER_MAILS")
	if directory == "" {
		t.Skip("USHER_MAILS names no directory")
	}
	for name, n := range everyNotice() {
		said, err := render(n, &accessv1alpha1.MailTemplate{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(directory, name+".html"), []byte(said.HTML), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
