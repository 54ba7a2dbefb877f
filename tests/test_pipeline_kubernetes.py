"""An image that a Kubernetes manifest describes: its probes and hooks are what it has to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import Repo, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: pages}
data:
  index.html: of the map
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: web
        image: TAGS/app
        command: [server]
        env: [{name: WHO, value: me}]
        ports: [{name: http, containerPort: 80}]
        securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: pages, mountPath: /www/page}
        - {name: work, mountPath: /work}
        startupProbe: {exec: {command: [wget, -q, -O, /work/page, "http://127.0.0.1/page/"]}}
        readinessProbe: {httpGet: {path: /page/, port: http}}
        lifecycle: {preStop: {exec: {command: [sh, -c, 'test "$WHO" = me && grep map /work/page && sleep 1']}}}
      volumes:
      - {name: pages, configMap: {name: pages}}
      - {name: work, emptyDir: {}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    repo = Repo(tmp_path_factory.mktemp("kubernetes"), busybox, fresh_tags())
    repo.write("images/app/image.yaml", f"kind: build\ntags: [{repo.tags}/app]\nfrom: {{dockerfile: Dockerfile}}\n")
    repo.path("images/web/Dockerfile").rename(repo.path("images/app/Dockerfile"))
    repo.path("images/web/server").rename(repo.path("images/app/server"))
    repo.write("deploy.yaml", MANIFEST.replace("TAGS", repo.tags))
    spec = f"tags: [{repo.tags}/web]\nfrom: {{kubernetes: ../../deploy.yaml, container: web}}\nunowned: traced\n"
    repo.write("images/web/image.yaml", f"{spec}add: [{{source: httpd.conf, target: /etc/httpd.conf}}]\n")
    yield repo
    repo.remove_images()


def test_probes_and_hooks_keep_what_they_need(shop: Repo) -> None:
    result = shop.run("web")
    assert result.status == 0, result.output
    kept = {json.loads(line).get("path") for line in shop.path("build/web/selection.jsonl").read_text().splitlines()}
    assert {"/bin/server", "/bin/wget", "/bin/sh"} <= kept and "/www/page/index.html" not in kept
    verified = json.loads(shop.path("build/web/verify.json").read_text())
    assert [step["name"] for step in verified["results"][0]["steps"]] == ["step 1 (http)", "step 2 (exec)"]
    assert shop.run("web").ran == ()
    assert not shop.left_over()


def test_a_probe_that_fails_is_told_at_its_place(shop: Repo) -> None:
    shop.replace("deploy.yaml", "path: /page/", "path: /absent")
    failed = shop.run("web")
    assert failed.failed == ("trace:web",)
    assert "deploy.yaml:25:35: step 1 (http) failed: status 404 instead of 200 to 399" in failed.output, failed.output
    assert not shop.left_over()
