"""What a package says to people and machines: its README, its Dockerfile, its entry point."""

SERVE = '''"""Serve the model of this package: `python serve.py dev` or `python serve.py prod`."""

from pathlib import Path

from ml_assets.cli.packaged import main

main(Path(__file__).resolve().parent)
'''

DOCKERFILE = """\
FROM python:{python}-slim
WORKDIR /package
COPY . .
RUN python -m pip install --no-cache-dir --no-deps -r requirements.txt
RUN useradd --create-home --uid 1000 answering
USER answering
VOLUME /home/answering/prod
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --start-period=30s CMD \\
  ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/ready')"]
ENTRYPOINT ["python", "serve.py"]
CMD ["prod", "--home", "/home/answering/prod", "--host", "0.0.0.0"]
"""

DOCKERIGNORE = """\
.ml_assets
"""

README = """\
# {problem} {number}

{objective}

The model `{version}` of the problem `{problem}`, with all that it needs to answer: the code that rows
go through, the libraries in their exact versions, a server. Made on Python {python}, {platform}.

| file | what it is |
| --- | --- |
| `package.json` | what this package is, and the SHA-256 of every other file |
| `bundle/` | the fitted model, and `manifest.json`: everything that made it |
| `wheels/` | the platform's code and the problem's |
| `requirements.txt` | every library in its exact version |
| `serve.py`, `Dockerfile` | the server, and an image of it |

Every file is compared with `package.json` before the model is used; one that was changed is refused. Who
can change a file can change `package.json` too, so where that matters compare its own SHA-256,
which `ml-assets package` printed, with what you were told.

## Install

In this folder, with Python {minor}:

```sh
python -m venv environment
environment/bin/pip install --no-deps -r requirements.txt
```

`--no-deps` because the list is complete for answering; what only training needs is not on it.

## Serve

```sh
environment/bin/python serve.py dev    # this machine only, no keys, port 8080
environment/bin/python serve.py prod   # API keys, and the prediction log waits for the disk
```

Each has a home of its own (`.ml_assets/dev`, `.ml_assets/prod` where you start it, or `--home`): its
own prediction log, feedback, keys and release log. The package itself is never written to, so the
same one goes from DEV to PROD. A newer package started on the same home takes over. PROD needs a key
first:

```sh
environment/bin/ml-assets keys add NAME --role predict --home .ml_assets/prod
```

As an image: `docker build -t {problem} .`, then
`docker run -p 8080:8080 -v {problem}:/home/answering/prod {problem}`.

## Embed

```python
import ml_assets

model = ml_assets.load_package("path/of/this/folder")
model.predict([{{...}}])
```
"""
