import threading

import pytest
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from ml_assets.errors import ArtifactError
from ml_assets.storage import Artifacts
from ml_assets.storage.folder import Folder

IMAGE = bytes(range(256)) * 12_000
"""Three megabytes: more than is copied at a time."""


def on_disk(tmp_path):
    return Artifacts(str(tmp_path / "artifacts"))


def in_object_store(tmp_path, cache="cache"):
    """Artifacts that reach their files as those of an object store are reached."""
    artifacts = Artifacts(str(tmp_path / cache))
    (tmp_path / "store").mkdir(exist_ok=True)
    handler = DeltaStorageHandler(f"file://{tmp_path}/store")
    artifacts._place = Folder(files=fs.PyFileSystem(handler), local=None)
    artifacts._is_remote = True
    return artifacts


@pytest.fixture(params=[on_disk, in_object_store])
def artifacts(request, tmp_path):
    return request.param(tmp_path)


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    (folder / "plots").mkdir(parents=True)
    (folder / "manifest.json").write_text('{"model": 1}')
    (folder / "plots" / "curve.png").write_bytes(IMAGE)
    return folder


def flip_one_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


class TestPutting:
    def test_keeps_a_copy_by_its_content(self, artifacts, bundle):
        digest = artifacts.put(bundle)

        kept = artifacts.get(digest)

        assert len(digest) == 64
        assert (kept / "manifest.json").read_text() == '{"model": 1}'
        assert (kept / "plots" / "curve.png").read_bytes() == IMAGE

    def test_keeps_the_same_content_once(self, artifacts, bundle, tmp_path):
        first = artifacts.put(bundle)
        twin = bundle.rename(tmp_path / "elsewhere")

        assert artifacts.put(twin) == first
        assert [place.name for place in artifacts._shelf.iterdir()] == [first]

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: flip_one_byte(folder / "manifest.json"),
            lambda folder: (folder / "manifest.json").rename(folder / "other.json"),
            lambda folder: (folder / "plots" / "curve.png").rename(folder / "curve.png"),
            lambda folder: (folder / "empty").touch(),
        ],
    )
    def test_gives_other_content_another_name(self, artifacts, bundle, change):
        before = artifacts.put(bundle)
        change(bundle)

        assert artifacts.put(bundle) != before

    def test_makes_files_read_only(self, artifacts, bundle):
        kept = artifacts.get(artifacts.put(bundle))

        assert [path.stat().st_mode & 0o222 for path in kept.rglob("*.*")] == [0, 0]

    def test_is_safe_when_many_put_the_same_at_once(self, artifacts, bundle):
        digests = []
        threads = [
            threading.Thread(target=lambda: digests.append(artifacts.put(bundle)))
            for _ in range(8)
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(digests) == 8
        assert len(set(digests)) == 1
        assert [place.name for place in artifacts._shelf.iterdir()] == [digests[0]]

    def test_repairs_what_was_changed(self, artifacts, bundle):
        digest = artifacts.put(bundle)
        flip_one_byte(artifacts._shelf / digest / "manifest.json")

        artifacts.put(bundle)

        assert (artifacts.get(digest) / "manifest.json").read_text() == '{"model": 1}'

    def test_refuses_a_folder_without_files(self, artifacts, tmp_path):
        with pytest.raises(ArtifactError, match=r"at least one file, .*nothing has none"):
            artifacts.put(tmp_path / "nothing")


class TestGetting:
    def test_notices_one_changed_byte(self, tmp_path, bundle):
        artifacts = on_disk(tmp_path)
        digest = artifacts.put(bundle)
        flip_one_byte(artifacts._shelf / digest / "plots" / "curve.png")

        with pytest.raises(ArtifactError, match=f"Artifact {digest[:12]}.* was changed after"):
            artifacts.get(digest)

    def test_notices_a_file_too_many(self, tmp_path, bundle):
        artifacts = on_disk(tmp_path)
        digest = artifacts.put(bundle)
        (artifacts._shelf / digest / "extra").touch()

        with pytest.raises(ArtifactError, match="was changed after it was stored"):
            artifacts.get(digest)

    def test_notices_one_changed_byte_in_the_object_store(self, tmp_path, bundle):
        digest = in_object_store(tmp_path).put(bundle)
        flip_one_byte(tmp_path / "store" / f"{digest}.tar")

        with pytest.raises(ArtifactError, match="was changed after it was stored"):
            in_object_store(tmp_path, cache="other machine").get(digest)

    def test_fetches_a_good_copy_when_only_the_local_one_was_changed(self, tmp_path, bundle):
        artifacts = in_object_store(tmp_path)
        digest = artifacts.put(bundle)
        flip_one_byte(artifacts._shelf / digest / "manifest.json")

        assert (artifacts.get(digest) / "manifest.json").read_text() == '{"model": 1}'

    def test_fetches_from_the_object_store_once(self, tmp_path, bundle):
        digest = in_object_store(tmp_path).put(bundle)
        elsewhere = in_object_store(tmp_path, cache="other machine")

        kept = elsewhere.get(digest)

        (tmp_path / "store" / f"{digest}.tar").unlink()
        assert elsewhere.get(digest) == kept
        assert kept.parent == tmp_path / "other machine"

    def test_says_what_to_do_when_it_is_missing(self, artifacts):
        with pytest.raises(
            ArtifactError,
            match=r"Artifact 000000000000 is missing.*Materialize what made it again",
        ):
            artifacts.get("0" * 64)

    def test_refuses_a_name_that_is_no_hash(self, artifacts):
        with pytest.raises(ArtifactError, match=r"64 hexadecimal digits, got \.\./bundle"):
            artifacts.get("../bundle")


class TestDeleting:
    def test_makes_it_missing_until_it_is_put_again(self, artifacts, bundle):
        digest = artifacts.put(bundle)

        artifacts.delete(digest)

        assert not artifacts.exists(digest)
        assert artifacts.put(bundle) == digest
        assert artifacts.exists(digest)

    def test_does_not_mind_what_is_not_there(self, artifacts):
        artifacts.delete("0" * 64)

        assert not artifacts.exists("0" * 64)
