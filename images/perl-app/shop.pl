# A small shop with Mojolicious: templates, JSON, forms, sessions, files, a WebSocket, a DOM parser.
use Mojolicious::Lite -signatures;
use Mojo::DOM;
use Mojo::Util qw(b64_encode sha1_sum trim);

app->secrets(['for tests only']);
app->log->level('info');
my %items = (1 => {name => 'cup', price => 3}, 2 => {name => 'plate', price => 5});

get '/' => sub ($c) { $c->render(template => 'index', items => \%items) };
get '/items' => sub ($c) { $c->render(json => [map { {id => $_, %{$items{$_}}} } sort keys %items]) };
get '/items/:id' => [id => qr/\d+/] => sub ($c) {
  my $item = $items{$c->param('id')} or return $c->reply->not_found;
  $c->respond_to(json => {json => $item}, any => {template => 'item', item => $item});
};
post '/items' => sub ($c) {
  my $item = $c->req->json // {name => trim($c->param('name') // ''), price => $c->param('price')};
  return $c->render(json => {error => 'an item needs a name'}, status => 400) unless ref $item && $item->{name};
  my $id = keys(%items) + 1;
  $items{$id} = $item;
  $c->res->headers->location("/items/$id");
  $c->render(json => {id => $id, %$item}, status => 201);
};
get '/count' => sub ($c) { $c->render(text => ++$c->session->{count}) };
get '/digest' => sub ($c) { $c->render(text => sha1_sum($c->param('of') // '')) };
get '/sorted' => sub ($c) {
  require List::Util;    # loaded when asked, and so are POSIX and Encode's tables below
  require POSIX;
  $c->render(text => List::Util::sum(map { $_->{price} } values %items) . POSIX::strftime(' at %Y', gmtime 0));
};
get '/latin' => sub ($c) {
  require Encode;
  $c->render(data => Encode::encode('ISO-8859-1', "gr\x{fc}n"), format => 'txt');
};
post '/title' => sub ($c) { $c->render(text => Mojo::DOM->new($c->req->text)->at('title')->text) };
get '/basic' => sub ($c) {
  my $given = $c->req->url->to_abs->userinfo // '';
  return $c->render(text => "hello $1") if $given =~ /^(.+):secret$/;
  $c->res->headers->www_authenticate('Basic realm=shop');
  $c->render(text => 'who are you?', status => 401);
};
websocket '/echo' => sub ($c) { $c->on(message => sub ($c, $text) { $c->send("echo: $text") }) };

app->start;
