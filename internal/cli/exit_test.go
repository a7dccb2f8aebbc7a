package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestExitCodes builds the program and runs it from a shell.
func TestExitCodes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	program := filepath.Join(t.TempDir(), "kubectl-access")
	build := exec.Command("go", "build", "-o", program, "./cmd/kubectl-access")
	build.Dir = root(t)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	const samples = " -f config/samples -R 2>/dev/null"
	for command, want := range map[string]int{
		"$ACCESS can amelie@acme.example finance edit -n analytics" + samples:                0,
		"$ACCESS can amelie@acme.example finance Administrator -n analytics" + samples:       1,
		"$ACCESS can amelie@acme.example finance edti -n analytics" + samples:                2,
		"$ACCESS can amelie@acme.example finance":                                            2,
		"$ACCESS can --no-such-flag":                                                         2,
		"$ACCESS can a b c":                                                                  2,
		"$ACCESS list amelie@acme.example" + samples:                                         0,
		"$ACCESS list nobody" + samples:                                                      1,
		"$ACCESS list amelie@acme.example":                                                   1,
		"$ACCESS explain amelie@acme.example" + samples:                                      0,
		"$ACCESS who-can finance" + samples:                                                  0,
		"$ACCESS who-can finance --role nothing" + samples:                                   1,
		"$ACCESS matrix" + samples:                                                           0,
		"$ACCESS matrix -n nowhere" + samples:                                                0,
		"cat config/samples/security/emea.yaml | $ACCESS matrix -f - >/dev/null":             0,
		"$ACCESS diff -f config/samples -R --against config/samples 2>/dev/null":             0,
		"$ACCESS diff -f config/samples -R --against config/samples/security":                1,
		"$ACCESS diff -f nowhere --against config/samples":                                   2,
		"$ACCESS diff -o yaml -f config/samples -R --against config/samples":                 2,
		"$ACCESS report" + samples:                                                           0,
		"$ACCESS report --at yesterday" + samples:                                            1,
		"$ACCESS lint" + samples:                                                             0,
		"$ACCESS lint --strict" + samples:                                                    1,
		"$ACCESS lint":                                                                       2,
		"$ACCESS --version":                                                                  0,
		"$ACCESS --help":                                                                     0,
		"$ACCESS nothing":                                                                    1,
		"$ACCESS completion bash >/dev/null":                                                 0,
		"$ACCESS __complete -f config/samples -R list a 2>/dev/null | grep -q ^amelie@":      0,
		"$ACCESS __complete -n analytics -k config/samples can x '' 2>/dev/null | grep ^sal": 0,
	} {
		shell := exec.Command("sh", "-c", command)
		shell.Dir = root(t)
		shell.Env = append(os.Environ(), "ACCESS="+program, "KUBECONFIG=/nonexistent/none", "HOME="+t.TempDir())
		text, err := shell.CombinedOutput()
		code := 0
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			code = failed.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != want {
			t.Errorf("%s\nexit code %d, want %d\n%s", command, code, want, text)
		}
	}
}
