#!/usr/bin/env bash
# Check style, types, layers and behaviour, on a machine that has nothing but Python.
#
#     bash tests/run.sh                           everything
#     bash tests/run.sh tests/browser -k gevent   arguments go to pytest
#     PYTHON=python3.13 bash tests/run.sh         with another Python
#
# Missing system packages are installed with apt, if we are root.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
venv=.tests-venv
export PATH="$PATH:/usr/sbin:/sbin" # nginx
export DEBIAN_FRONTEND=noninteractive

say() { printf '\n== %s\n' "$*"; }
has() { command -v "$1" >/dev/null; }
run() { say "$*" && "$@"; }

# System packages.

missing=()
if has "$python"; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python$version-venv")
else
    missing+=(python3 python3-venv)
fi
# The one without windows takes a fifth less of the processors.
browser() { has chromium-headless-shell || has chromium || has chromium-browser || has google-chrome; }
can_install() { ((!EUID)) && has apt-get; }
if can_install || ! browser; then has chromium-headless-shell || missing+=(chromium-headless-shell); fi
ldconfig -p | grep libatomic.so.1 >/dev/null || missing+=(libatomic1) # for Playwright's Node.js
has nginx || missing+=(nginx-light)
has caddy || missing+=(caddy)
has haproxy || missing+=(haproxy)
# Not apache2, which would start a server on port 80.
apache_module() { [[ -e /usr/lib/apache2/modules/mod_$1.so ]]; }
has apache2 || missing+=(apache2-bin)
apache_module wsgi || missing+=(libapache2-mod-wsgi-py3)
apache_module passenger || missing+=(libapache2-mod-passenger)
has redis-server || missing+=(redis-server)
has prometheus || missing+=(prometheus)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
case $(uname -m) in
    x86_64 | aarch64) ;; # all dependencies have wheels
    *) has gcc || missing+=(gcc libc6-dev python3-dev) ;;
esac
if ((${#missing[@]})); then
    if ! can_install; then
        echo "run.sh: install ${missing[*]}, or run this as root on Debian or Ubuntu" >&2
        exit 1
    fi
    say "installing ${missing[*]}"
    apt-get update -qq
    # Ubuntu has Chromium as a snap only, and 22.04 no Caddy: see below, and the tests skip it.
    packages=()
    for name in "${missing[@]}"; do
        if apt-cache show "$name" &>/dev/null; then packages+=("$name"); fi
    done
    # Servers that come as packages aren't to be started (invoke-rc.d, deb-systemd-invoke).
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    fi
    apt-get install -qq --yes --no-install-recommends "${packages[@]}" >/dev/null
    if [[ $(trap -p EXIT) ]]; then rm -f "$policy" && trap - EXIT; fi
fi

# Virtual environment, made again when what it depends on has changed.

stamp=$({ "$python" -VV && cat setup.cfg; } | sha256sum)
if [[ $(cat "$venv/stamp" 2>/dev/null) != "$stamp" ]]; then
    run "$python" -m venv --clear "$venv"
    run "$venv/bin/pip" install --quiet --use-pep517 --editable '.[tests,lint,docs,gevent]'
    echo "$stamp" >"$venv/stamp"
fi
export PATH="$PWD/$venv/bin:$PATH"
browser || run playwright install --with-deps chromium

# Checks, the quick ones first.

run ruff check
run ruff format --check
run codespell
run mypy
run lint-imports
# A module's tests share servers, and so stay in one process. Not more of them than there are
# processors: pages find out how fast a connection is.
run python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile \
    --no-loadscope-reorder "$@"
