#!/usr/bin/env bash
# Brings what the Python packages need from the system: libGL and libgthread for opencv-python, Xvfb for a
# machine without a screen; with `test`, also the window manager that the tests need, and the libpython that
# their Triton server starts (it brings that of 3.13). Installs them with apt-get where it may, and otherwise
# names them.
set -euo pipefail
[ "$(uname -s)" = Linux ] || exit 0
missing=()
# The cache is read once: under pipefail, `ldconfig -p | grep -q` fails when grep leaves early.
libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
[[ $libraries == *libGL.so.1* ]] || missing+=(libgl1)
[[ $libraries == *libgthread-2.0.so.0* ]] || missing+=(libglib2.0-0)
[ -n "${DISPLAY:-}" ] && [ -z "${CI:-}" ] || command -v Xvfb >/dev/null || missing+=(xvfb)
[ "${1:-}" != test ] || command -v openbox >/dev/null || missing+=(openbox)
if [ "${1:-}" = test ]; then
  read -r version folder < <(${PYTHON:-python3} -c 'import sys, sysconfig
print("{}.{}".format(*sys.version_info), sysconfig.get_config_var("LIBDIR"))')
  [ "$version" = 3.13 ] || [[ $libraries == *libpython$version.so.1.0* ]] ||
    [ -e "$folder/libpython$version.so.1.0" ] || missing+=("libpython$version")
fi
${PYTHON:-python3} -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -eq 0 ] && exit 0
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  echo "installing ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "missing system packages: ${missing[*]}; install them: apt-get install ${missing[*]}" >&2
  exit 2
fi
