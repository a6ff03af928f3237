"""Folders and patterns, on real trees."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from seealike.errors import SourceError
from seealike.protocols import Source
from seealike.sources import FolderSource, GlobSource, TableSource, open_source
from seealike.types import Skipped, SkipReason, SourceItem, Unseen


def put(path: Path | str, content: bytes = b"x") -> Path:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    return Path(path)


def link(path: Path, target: Path | str) -> None:
    try:
        path.symlink_to(target)
    except (OSError, NotImplementedError) as exc:
        pytest.skip(f"no links here: {exc}")


def items(source: Source) -> list[SourceItem]:
    return [found for found in source.scan() if isinstance(found, SourceItem)]


def ids(source: Source) -> list[str]:
    return [item.id for item in items(source)]


def skipped(source: Source) -> dict[str, SkipReason]:
    return {found.id: found.reason for found in source.scan() if isinstance(found, Skipped)}


def test_a_folder_offers_every_file_below_it_with_what_stat_says(tmp_path: Path) -> None:
    put(tmp_path / "b.jpg", b"12345")
    put(tmp_path / "a" / "deep" / "c.txt", b"")
    found = {item.id: item for item in items(open_source(tmp_path))}
    assert set(found) == {"b.jpg", "a/deep/c.txt"}
    for item in found.values():
        status = (tmp_path / item.id).stat()
        assert (item.size_bytes, item.mtime_ns) == (status.st_size, status.st_mtime_ns)
        assert item.path == str(tmp_path / item.id)
        assert (item.group, dict(item.metadata)) == (None, {})


def test_the_order_of_a_folder_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("z.jpg", "a/2.jpg", "a/10.jpg", "B.jpg", "a.jpg", "a/b/1.jpg"):
        put(tmp_path / name)
    expected = ["B.jpg", "a.jpg", "z.jpg", "a/10.jpg", "a/2.jpg", "a/b/1.jpg"]
    assert ids(FolderSource(tmp_path)) == expected
    assert ids(FolderSource(tmp_path)) == expected


def test_root_and_label_say_where_a_source_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "photos" / "a.jpg")
    monkeypatch.chdir(tmp_path)
    for spec in ("photos", "photos" + os.sep):
        source = open_source(spec)
        assert (source.root, source.label) == (str(tmp_path / "photos"), "photos/")
    pattern = open_source("photos/*.jpg")
    assert (pattern.root, pattern.label) == (str(tmp_path / "photos"), "photos/*.jpg")


def test_ids_are_relative_to_a_root_that_is_named(tmp_path: Path) -> None:
    put(tmp_path / "2024" / "may" / "a.jpg")
    assert ids(open_source(tmp_path / "2024", root=tmp_path)) == ["2024/may/a.jpg"]
    assert ids(open_source(tmp_path / "2024" / "**" / "*.jpg", root=tmp_path)) == ["2024/may/a.jpg"]
    with pytest.raises(SourceError, match="outside the root"):
        open_source(tmp_path, root=tmp_path / "2024")


def test_names_that_begin_with_a_dot_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / ".hidden.jpg")
    put(tmp_path / ".cache" / "a.jpg")
    put(tmp_path / "seen.jpg")
    assert ids(FolderSource(tmp_path)) == ["seen.jpg"]


def test_a_hidden_folder_is_looked_through_when_it_is_named(tmp_path: Path) -> None:
    put(tmp_path / ".album" / "a.jpg")
    assert ids(open_source(tmp_path / ".album")) == ["a.jpg"]


def test_catalogues_are_left_out_wherever_they_lie(tmp_path: Path) -> None:
    for place in ("my.catalog", "a/b/other"):
        put(tmp_path / place / "manifest.json")
        put(tmp_path / place / "catalog.sqlite")
        put(tmp_path / place / "thumbnails" / "1.jpg")
    put(tmp_path / "website" / "manifest.json")
    put(tmp_path / "a" / "b.jpg")
    assert sorted(ids(FolderSource(tmp_path))) == ["a/b.jpg", "website/manifest.json"]


def test_a_catalogue_is_no_folder_of_pictures(tmp_path: Path) -> None:
    put(tmp_path / "manifest.json")
    put(tmp_path / "catalog.sqlite")
    with pytest.raises(SourceError, match="is a seealike catalogue"):
        ids(FolderSource(tmp_path))


def test_odd_names_keep_working(tmp_path: Path) -> None:
    names = [
        "with space.jpg",
        "Łódź 写真 🦊.jpg",
        "cafe\u0301.jpg",
        "quote\"s'.jpg",
        "n" * 251 + ".jpg",
        "new\nline.jpg",
        "back\\slash.jpg",
        "%s{}$(x).jpg",
    ]
    made = []
    for name in names:
        try:
            made.append(put(tmp_path / name).name)
        except OSError:  # not a name on this file system
            continue
    listed = sorted(os.listdir(tmp_path))
    assert len(listed) == len(made) >= 4
    assert sorted(ids(FolderSource(tmp_path))) == listed
    assert all(os.path.exists(item.path) for item in items(FolderSource(tmp_path)))


def put_bytes_name(folder: Path, name: bytes) -> None:
    try:
        with open(os.path.join(os.fsencode(folder), name), "wb"):
            pass
    except (OSError, UnicodeError) as exc:
        pytest.skip(f"this file system refuses names that are not UTF-8: {exc}")


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_a_name_that_is_not_utf8_is_shown_escaped_and_opened_as_it_is(tmp_path: Path) -> None:
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"d\xe9"))
    put_bytes_name(tmp_path, b"d\xe9/caf\xe9 \xc3\xa9.jpg")
    (item,) = items(FolderSource(tmp_path))
    assert item.id == "d\\xe9/caf\\xe9 é.jpg"
    assert os.fsencode(item.path).endswith(b"/d\xe9/caf\xe9 \xc3\xa9.jpg")
    assert os.path.exists(item.path)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_two_names_shown_alike_do_not_share_an_id(tmp_path: Path) -> None:
    put(tmp_path / "caf\\xe9.jpg")
    put_bytes_name(tmp_path, b"caf\xe9.jpg")
    found = list(FolderSource(tmp_path).scan())
    assert [type(entry) for entry in found] == [SourceItem, Skipped]
    assert [entry.id for entry in found] == ["caf\\xe9.jpg"] * 2
    assert len({entry.path for entry in found}) == 2
    assert skipped(FolderSource(tmp_path)) == {"caf\\xe9.jpg": SkipReason.DUPLICATE_ID}


def test_a_link_is_followed_only_inside_the_root(tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere" / "secret.jpg", b"1234567")
    root = tmp_path / "photos"
    put(root / "real" / "a.jpg", b"123")
    link(root / "in.jpg", "real/a.jpg")
    link(root / "out.jpg", outside)
    link(root / "outdir", outside.parent)
    link(root / "prefix", str(root) + "-not")
    put(tmp_path / "photos-not" / "b.jpg")
    source = FolderSource(root)
    assert sorted(ids(source)) == ["in.jpg", "real/a.jpg"]
    assert {item.size_bytes for item in items(source)} == {3}
    outside_root = SkipReason.OUTSIDE_ROOT
    assert skipped(source) == {"out.jpg": outside_root, "outdir": outside_root, "prefix": outside_root}


def test_a_linked_folder_inside_the_root_is_looked_through(tmp_path: Path) -> None:
    put(tmp_path / ".store" / "album" / "a.jpg")
    link(tmp_path / "album", ".store/album")
    assert ids(FolderSource(tmp_path)) == ["album/a.jpg"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "real" / "a.jpg")
    link(tmp_path / "named", "real")
    link(tmp_path / "real" / "b.jpg", "a.jpg")
    source = open_source(tmp_path / "named")
    assert ids(source) == ["a.jpg", "b.jpg"]
    assert source.root == str(tmp_path / "named")


def test_links_that_go_round_in_circles_end(tmp_path: Path) -> None:
    put(tmp_path / "a" / "b" / "1.jpg")
    link(tmp_path / "a" / "b" / "up", tmp_path / "a")
    link(tmp_path / "a" / "b" / "self", ".")
    link(tmp_path / "loop", "loop")
    source = FolderSource(tmp_path)
    assert ids(source) == ["a/b/1.jpg"]
    duplicate = SkipReason.DUPLICATE_ID
    assert skipped(source) == {
        "a/b/self": duplicate,
        "a/b/up": duplicate,
        "loop": SkipReason.UNREADABLE,
    }


def count_listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are listed from now on."""
    listed: list[str] = []
    scandir = os.scandir

    def counted(path: str) -> object:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    return listed


def test_folders_full_of_links_to_each_other_do_not_multiply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / f"d{number}" for number in range(12)]
    for folder in folders:
        put(folder / "1.jpg")
    for folder in folders:
        for other in folders:
            link(folder / f"to-{other.name}", other)
    listed = count_listings(monkeypatch)
    found = ids(FolderSource(tmp_path))
    assert len(listed) == 1 + 12 + 12 * 11  # each folder, and each link to another, once
    assert {f"d{number}/1.jpg" for number in range(12)} <= set(found)
    assert len(found) == len(set(found)) == 12 + 12 * 11


def test_a_link_to_nothing_is_reported(tmp_path: Path) -> None:
    link(tmp_path / "gone.jpg", "nowhere.jpg")
    (found,) = FolderSource(tmp_path).scan()
    assert type(found) is Skipped
    assert (found.id, found.reason) == ("gone.jpg", SkipReason.UNREADABLE)
    assert "link to nothing" in found.detail


def test_a_link_that_cannot_be_followed_may_lead_to_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "real" / "a.jpg")
    link(tmp_path / "album", "real")
    stat = os.stat

    def refusing(path: str, *, follow_symlinks: bool = True) -> os.stat_result:
        if os.fspath(path).endswith("album"):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", refusing)
    for source in (FolderSource(tmp_path), GlobSource(tmp_path / "*" / "*.jpg")):
        (found,) = (entry for entry in source.scan() if isinstance(entry, Skipped))
        detail = "the link cannot be followed: permission denied"
        path = str(tmp_path / "album")
        assert found == Unseen("album", path, SkipReason.UNREADABLE, detail, below=True)
    put(tmp_path / "b.jpg")
    assert skipped(GlobSource(tmp_path / "*.jpg")) == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_reported_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    link(tmp_path / "to-pipe.jpg", "pipe.jpg")
    found = {entry.id: entry for entry in FolderSource(tmp_path).scan()}
    assert set(found) == {"pipe.jpg", "to-pipe.jpg"}
    for entry in found.values():
        assert type(entry) is Skipped
        assert (entry.reason, entry.detail) == (SkipReason.NOT_AN_IMAGE, "a named pipe, not a file")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_a_socket_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.jpg")
        assert skipped(FolderSource(".")) == {"s.jpg": SkipReason.NOT_AN_IMAGE}


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="the super-user reads everything")
def test_an_unreadable_folder_is_reported_by_the_system_itself(tmp_path: Path) -> None:
    put(tmp_path / "locked" / "a.jpg")
    (tmp_path / "locked").chmod(0)
    try:
        assert skipped(FolderSource(tmp_path)) == {"locked": SkipReason.UNREADABLE}
        with pytest.raises(SourceError, match="locked"):
            ids(FolderSource(tmp_path / "locked"))
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_an_unreadable_folder_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a" / "1.jpg")
    put(tmp_path / "locked" / "2.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert ids(FolderSource(tmp_path)) == ["a/1.jpg"]
    (found,) = (entry for entry in FolderSource(tmp_path).scan() if isinstance(entry, Skipped))
    detail = "the folder cannot be read: permission denied"
    path = str(tmp_path / "locked")
    assert found == Unseen("locked", path, SkipReason.UNREADABLE, detail, below=True)
    with pytest.raises(SourceError, match="permission denied"):
        ids(FolderSource(tmp_path / "locked"))


def test_a_file_that_vanishes_while_scanning_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.jpg")
    put(tmp_path / "b.jpg")
    scan = FolderSource(tmp_path).scan()
    assert isinstance(next(scan), SourceItem)
    (tmp_path / "b.jpg").unlink()
    (found,) = scan
    if os.name != "nt":  # where the listing has told all already
        assert isinstance(found, Unseen)
        assert (found.id, found.reason) == ("b.jpg", SkipReason.UNREADABLE)


@pytest.mark.skipif(os.name == "nt", reason="paths are short there")
def test_a_tree_deeper_than_any_path_is_walked_as_far_as_paths_reach(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        first, *found = FolderSource(tmp_path).scan()
        assert isinstance(first, SourceItem)
        (last,) = found
        assert isinstance(last, Unseen)
        assert last.id.count("deep") > 700
        assert "too long" in last.detail
    finally:
        shorten(tmp_path)


def shorten(folder: Path) -> None:
    """Remove folders that lie in each other; what removes trees by path cannot."""
    while (folder / "deep").exists():
        (folder / "deep").rename(folder / "old")
        for inside in (folder / "old").iterdir():
            inside.rename(folder / "deep")
        (folder / "old").rmdir()


def test_a_very_deep_tree_is_walked_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = os.path.join(tmp_path, *["d"] * 90)
    put(os.path.join(deep, "a.jpg"))
    assert ids(FolderSource(tmp_path)) == ["d/" * 90 + "a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("**/*.jpg", ["a.jpg", "x/b.jpg", "x/y/c.jpg", "x/y/z/[1].jpg"]),
        ("**", ["a.jpg", "b.png", "x/b.jpg", "x/y/c.jpg", "x/y/z/[1].jpg"]),
        ("x/**/?.jpg", ["b.jpg", "y/c.jpg"]),
        ("*/*.jpg", ["x/b.jpg"]),
        ("*/y/*.jpg", ["x/y/c.jpg"]),
        ("**/y/**/*.jpg", ["x/y/c.jpg", "x/y/z/[1].jpg"]),
        ("**/**/**/a.jpg", ["a.jpg"]),
        ("[ab].*", ["a.jpg", "b.png"]),
        ("[!a].*", ["b.png"]),
        (".hid*/*.jpg", [".hidden/h.jpg"]),
        (".hidden/*.jpg", ["h.jpg"]),
        ("x/./y//*.jpg", ["c.jpg"]),
    ],
)
def test_a_pattern_matches_as_a_shell_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: list[str]
) -> None:
    for name in ("a.jpg", "b.png", "x/b.jpg", "x/y/c.jpg", "x/y/z/[1].jpg", ".hidden/h.jpg"):
        put(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert ids(open_source(pattern)) == expected
    assert ids(open_source(os.path.join(tmp_path, pattern))) == expected


def test_a_pattern_does_not_open_folders_it_cannot_match_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.jpg")
    put(tmp_path / "x" / "b.jpg")
    visited: list[str] = []
    scandir = os.scandir

    def noting(path: str) -> Iterator[os.DirEntry[str]]:
        visited.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)
    assert ids(GlobSource(tmp_path / "*.jpg")) == ["a.jpg"]
    assert visited == [str(tmp_path)]


def test_a_pattern_says_nothing_of_links_it_does_not_match(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.jpg")
    put(tmp_path / "notes.txt")
    link(tmp_path / "in" / "notes.txt", tmp_path / "notes.txt")
    link(tmp_path / "in" / "broken.txt", "nowhere")
    link(tmp_path / "in" / "out.jpg", tmp_path / "notes.txt")
    source = open_source(tmp_path / "in" / "**" / "*.jpg")
    assert ids(source) == ["a.jpg"]
    assert skipped(source) == {"out.jpg": SkipReason.OUTSIDE_ROOT}


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match=r"no file matches .*\*\.png"):
        ids(open_source(tmp_path / "*.png"))
    with pytest.raises(SourceError, match="cannot read the folder"):
        open_source(tmp_path / "missing" / "*.png")
    with pytest.raises(SourceError, match="goes up"):
        open_source(f"{tmp_path}/*/../*.png")


def test_what_exists_is_never_taken_for_a_pattern(tmp_path: Path) -> None:
    put(tmp_path / "album [2024]" / "a.jpg")
    put(tmp_path / "album 2" / "b.jpg")
    put(tmp_path / "t[1].csv", b"path\nalbum 2/b.jpg\n")
    assert ids(open_source(tmp_path / "album [2024]")) == ["a.jpg"]
    assert isinstance(open_source(tmp_path / "t[1].csv"), TableSource)


def test_a_source_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    for spec, text in (
        (tmp_path / "a.jpg", "is neither a folder, nor a pattern, nor a table"),
        (tmp_path / "missing", "there is no "),
        (tmp_path / "missing.csv", "there is no "),
        ("", "no name"),
        ("nul\0byte", "cannot read"),
    ):
        with pytest.raises(SourceError, match=text) as refused:
            open_source(spec)
        assert "\n" not in str(refused.value)


def test_an_empty_folder_is_an_empty_source(tmp_path: Path) -> None:
    assert list(open_source(tmp_path).scan()) == []


@pytest.mark.heavy
def test_a_hundred_thousand_files_are_found_with_one_look_at_each_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100_000):
        if number % 1000 == 0:
            (tmp_path / f"{number // 1000}").mkdir()
        (tmp_path / f"{number // 1000}" / f"{number}.jpg").touch()
    listed = count_listings(monkeypatch)
    assert sum(1 for _ in FolderSource(tmp_path).scan()) == 100_000
    assert len(listed) == 101


def test_a_walk_can_be_taken_twice(tmp_path: Path) -> None:
    put(tmp_path / "a\\b.jpg" if os.name != "nt" else tmp_path / "ab.jpg")
    source = FolderSource(tmp_path)
    assert list(source.scan()) == list(source.scan())
    assert len(items(source)) == 1
