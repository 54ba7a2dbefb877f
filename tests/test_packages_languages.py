import pytest

from slimtasks.packages.languages import tree_of


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("/usr/lib/python3/dist-packages/flask/app.py", "Python /usr/lib/python3/dist-packages"),
        ("/usr/local/lib/python3.12/os.py", "Python /usr/local/lib/python3.12"),
        ("/app/venv/lib/python3.11/site-packages/x.py", "Python /app/venv/lib/python3.11"),
        ("/app/node_modules/a/node_modules/b/i.js", "Node.js /app/node_modules"),
        ("/usr/share/nodejs/npm/x.js", "Node.js /usr/share/nodejs"),
        ("/usr/lib/ruby/3.1.0/set.rb", "Ruby /usr/lib/ruby"),
        ("/usr/lib/x86_64-linux-gnu/perl-base/strict.pm", "Perl /usr/lib/x86_64-linux-gnu/perl-base"),
        ("/usr/lib/jvm/java-17/lib/modules", "Java /usr/lib/jvm/java-17"),
        ("/usr/bin/perl", ""),
        ("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", ""),
        ("/usr/lib/nginx/modules/ngx_http_perl_module.so", ""),
        ("/usr/share/nginx/html/index.html", ""),
    ],
)
def test_tree_of(path: str, tree: str) -> None:
    assert " ".join(tree_of(path) or ()) == tree
