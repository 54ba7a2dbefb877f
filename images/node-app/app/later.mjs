export default 'imported when asked';
