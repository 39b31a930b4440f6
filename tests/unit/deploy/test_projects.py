"""The keys of public forges, as ssh reads them."""

import subprocess

from deploy import files
from tests.needs import needs


@needs("ssh-keygen")
def test_the_keys_have_the_fingerprints_that_the_forges_publish() -> None:
    known = files.TEMPLATES / "projects" / "ssh_known_hosts2"
    said = subprocess.run(["ssh-keygen", "-lf", known], capture_output=True, text=True, check=True).stdout
    found = {line.split()[2]: line.split()[1] for line in said.splitlines()}
    assert found == {
        "github.com": "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "gitlab.com": "SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
    }
    assert all(fingerprint in known.read_text() for fingerprint in found.values()), (
        "the page names its source"
    )
