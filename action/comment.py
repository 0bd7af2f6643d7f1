"""The step of the GitHub action that comments the summary on the pull request, once, and keeps that up to date."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MARK = "<!-- turtlenet -->"
_MOST = 60_000
"""Characters of a comment; GitHub takes 65,536."""


def main() -> None:
    """Comments. Who may not, as in a pull request from a fork, gets a warning: the summary is in the job too."""
    text = (Path(os.environ.get("REPORT") or "turtlenet-report") / "summary.md").read_text("utf-8")
    text = text if len(text) <= _MOST else f"{text[:_MOST]}\n\n(cut off; the whole is in the job's summary)\n"
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
    number = int(event["pull_request"]["number"])
    repository = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    try:
        known = earlier(f"{repository}/{number}/comments")
        path = f"{repository}/comments/{known}" if known else f"{repository}/{number}/comments"
        ask("PATCH" if known else "POST", path, {"body": f"{MARK}\n{text}"})
    except urllib.error.URLError as error:
        print(f"::warning::turtlenet could not comment: {' '.join(str(error).split())}")


def earlier(path: str) -> int | None:
    """The number of the comment that an earlier run wrote."""
    for page in range(1, 100):
        comments = ask("GET", f"{path}?per_page=100&page={page}")
        for each in comments:
            if str(each.get("body", "")).startswith(MARK) and (each.get("user") or {}).get("type") == "Bot":
                return int(each["id"])
        if len(comments) < 100:
            break
    return None


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Asks GitHub's API; gives what it answers."""
    request = urllib.request.Request(
        f"{os.environ.get('GITHUB_API_URL', 'https://api.github.com')}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ.get('TOKEN', '')}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
