import pytest

from slimtasks.packages.languages import tree_of, used_trees
from slimtasks.records import ImagePath


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


def test_used_trees_are_named_once_with_a_file() -> None:
    paths = ["/usr/lib/python3.11/re.py", "/usr/lib/python3.11/ast.py", "/usr/bin/python3.11", "/a/node_modules/b/c"]
    assert [f"{tree.root} {tree.used}" for tree in used_trees(map(ImagePath, paths))] == [
        "/a/node_modules /a/node_modules/b/c",
        "/usr/lib/python3.11 /usr/lib/python3.11/ast.py",
    ]
