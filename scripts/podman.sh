# For scripts that start containers: source it, call podman_ready, then bare_image. Keeps layers and base images in
# ~/.cache/tilefn-containers, a store of its own beside podman's.

# Sets podman up, with settings that also work on a machine where root may not raise limits. Fails with the reason in $podman_problem.
podman_ready() {
  [ "$(id -u)" = 0 ] || { podman_problem="containers are started as root here"; return 1; }
  command -v podman >/dev/null || { podman_problem="there is no podman (scripts/setup.sh test installs it)"; return 1; }
  local cache="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-containers"
  mkdir -p "$cache"
  cat >"$cache/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$cache/storage"
runroot = "/run/tilefn-containers"
END
  cat >"$cache/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=20000:20000"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
  export CONTAINERS_CONF="$cache/containers.conf" CONTAINERS_STORAGE_CONF="$cache/storage.conf"
  podman_problem=$(podman info 2>&1 >/dev/null) || { podman_problem="podman does not work here: ${podman_problem##*$'\n'}"; return 1; }
}

# Removes all containers, and images without a name: for a trap.
podman_clean() {
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  podman image prune --force >/dev/null 2>&1 || true
}

# Prints the name of a small image of Debian or Ubuntu: from a registry, or made with debootstrap where none can be reached.
# bare_image RELEASE [PACKAGE,PACKAGE]    with packages, always by debootstrap
bare_image() {
  local release=$1 packages=${2:-} image work from=()
  if [ -z "$packages" ]; then
    image=docker.io/library/debian:$release-slim
    if podman image exists "$image" || podman pull --quiet "$image" >/dev/null 2>&1; then echo "$image"; return; fi
  fi
  image=localhost/tilefn-bare${packages:+-${packages//,/-}}:$release
  if ! podman image exists "$image"; then
    command -v debootstrap >/dev/null || { podman_problem="no registry can be reached, and there is no debootstrap"; return 1; }
    say "making an image of $release${packages:+ with $packages}"
    work=$(mktemp -d)
    if [ "$release" = noble ]; then
      local mirror=http://archive.ubuntu.com/ubuntu
      # Debian has no package of Ubuntu's keys.
      local keys=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8
      if ! python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' \
        "$mirror/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb" "$work/keys.deb" 2>/dev/null ||
        ! echo "$keys  $work/keys.deb" | sha256sum --check --quiet; then
        rm -rf "$work"
        podman_problem="Ubuntu's archive can't be reached"
        return 1
      fi
      dpkg-deb -x "$work/keys.deb" "$work/keys"
      # Its script is the one of all Ubuntus, which debootstrap may know by the name of an older one only.
      from=("$mirror" /usr/share/debootstrap/scripts/gutsy)
      set -- --keyring "$work/keys/usr/share/keyrings/ubuntu-archive-keyring.gpg" --components=main,universe
    else
      set --
    fi
    if ! debootstrap --variant=minbase ${packages:+--include="$packages"} "$@" "$release" "$work/root" "${from[@]}" >"$work/log" 2>&1; then
      tail -20 "$work/log" >&2
      rm -rf "$work"
      podman_problem="debootstrap failed"
      return 1
    fi
    rm -rf "$work/root"/var/cache/apt/archives/*.deb
    tar -C "$work/root" -c . | podman import --quiet - "$image" >/dev/null
    rm -rf "$work"
  fi
  echo "$image"
}
