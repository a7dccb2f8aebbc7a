#!/bin/sh
# Fails unless the generated files are what the generators make of the sources, are all of
# it, and are in git. It generates in a copy: verifying changes nothing.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cd "$root"

git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
	if [ -e "$file" ]; then printf '%s\n' "$file"; fi
done | tar -cf - -T - | tar -xf - -C "$copy"

# What no source makes any more must not survive in the copy.
find "$copy/api" -name 'zz_generated.*' -exec rm -f {} +
rm -f "$copy"/config/crd/bases/*.yaml "$copy"/config/rbac/role.yaml "$copy"/config/webhook/manifests.yaml
chart='config/helm/usher/templates/crds config/helm/usher/templates/rbac.yaml
	config/helm/usher/templates/admission-policies.yaml config/helm/usher/templates/validating-webhook.yaml'
for path in $chart; do rm -rf "${copy:?}/$path"; done

if ! make -C "$copy" --no-print-directory BIN="${BIN:-$root/bin}" generate manifests >"$copy/.log" 2>&1; then
	cat "$copy/.log"
	exit 1
fi

stale=0
for dir in api config; do
	diff -ru "$root/$dir" "$copy/$dir" || stale=1
done
if [ "$stale" != 0 ]; then
	echo 'generated files are stale: run "make generate manifests"'
	exit 1
fi

untracked=$(git ls-files --others --exclude-standard -- 'api/**/zz_generated.*' config/crd/bases config/rbac/role.yaml config/webhook/manifests.yaml $chart)
if [ -n "$untracked" ]; then
	printf '%s\n' "$untracked" 'are generated but not in git: add them'
	exit 1
fi
