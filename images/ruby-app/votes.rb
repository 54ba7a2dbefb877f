# Votes, counted in Redis: pages, JSON, a session, a stream of lines; some of it loaded when asked.
require 'json'
require 'redis'
require 'sinatra'

set :bind, '0.0.0.0'
set :sessions, secret: 'for tests only ' * 5
set :quiet, true

def store = @store ||= Redis.new(url: ENV.fetch('STORE'))

get('/') { erb :index, locals: { votes: store.hgetall('votes').sort } }
get('/votes') { json store.hgetall('votes').sort.to_h }
post '/votes' do
  name = (request.media_type == 'application/json' ? JSON.parse(request.body.read)['name'] : params['name']).to_s
  halt 400, 'a vote needs a name' if name.empty?
  session['voted'] = session['voted'].to_i + 1
  status 201
  json name: name, votes: store.hincrby('votes', name, 1), yours: session['voted']
end
delete('/votes/:name') { |name| store.hdel('votes', name) == 1 ? 204 : 404 }
get '/votes.csv' do
  require 'csv'
  content_type 'text/csv'
  CSV.generate { |csv| store.hgetall('votes').sort.each { |row| csv << row } }
end
get '/digest' do
  require 'digest'
  Digest::SHA256.hexdigest(params.fetch('of', ''))
end
get '/page' do
  require 'yaml'
  require 'time'
  { 'at' => Time.at(0).utc.iso8601, 'name' => params['name'] }.to_yaml
end
get '/address/:host' do |host|
  require 'resolv'
  Resolv::Hosts.new.getaddresses(host).join(' ')
end
not_found { "#{request.path} is not here" unless response.body.any? }
error(JSON::ParserError) { halt 400, 'no JSON' }

def json(value)
  content_type :json
  JSON.generate(value)
end
