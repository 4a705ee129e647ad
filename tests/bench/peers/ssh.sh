#!/usr/bin/env bash
# What a careful person writes by hand: one SSH session that does it all. Usage: ssh.sh SHA
set -euo pipefail
sha=$1
ssh -i "$KEY" -o UserKnownHostsFile="$KNOWN_HOSTS" -o BatchMode=yes "deploy@$ADDRESS" sudo bash -s -- "$sha" "$REPOSITORY" "$PORT" <<'REMOTE'
set -euo pipefail
sha=$1 repository=$2 port=$3
app=/opt/bench-ssh
mkdir -p "$app/releases"
[ -d "$app/repo" ] || git clone --quiet --mirror "$repository" "$app/repo"
git --git-dir "$app/repo" fetch --quiet --prune origin
release="$app/releases/$(date -u +%Y%m%d%H%M%S%N)"
mkdir "$release"
git --git-dir "$app/repo" archive "$sha" | tar -x -C "$release"
chown -R app: "$release"
(umask 077; printf 'PORT=%s\nFRAISIER_VERSION=%s\n' "$port" "$sha" > "$release.env")
cat > /etc/systemd/system/bench-ssh.service <<UNIT
[Service]
Type=exec
User=app
WorkingDirectory=$app/current
EnvironmentFile=$release.env
ExecStart=/usr/bin/python3 app.py
[Install]
WantedBy=multi-user.target
UNIT
ln -s "$release" "$app/next"
mv -T "$app/next" "$app/current"
systemctl daemon-reload
systemctl enable --quiet bench-ssh
systemctl restart bench-ssh
for _ in $(seq 200); do
    curl -fsS -o /dev/null "http://localhost:$port/health" 2>/dev/null && healthy=1 && break
    sleep 0.05
done
[ "${healthy:-}" = 1 ]
ls -1d "$app"/releases/*/ | head -n -5 | while read -r old; do rm -rf "$old" "${old%/}.env"; done
REMOTE
